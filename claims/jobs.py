"""Everything that has to be computed, over the processors: training runs, and each measurement once its runs are there.

A run that is stopped is taken up where it was: training runs and the figures of each seed are kept as they come.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from multiprocessing import get_context
from pathlib import Path

from claims import trained
from claims.catalogue import CLAIMS
from claims.claim import Claim, Measured
from claims.code_digest import code_digest
from claims.trained import TrainingRun, installed_version, training_data
from claims.trial import Trial
from soloist.files import write_atomically

_VERSIONS = ("onnxruntime", "torch", "numpy")
# Roughly, for the time that is left: of a seed; of a step, whatever it holds; of a frame in a step, for each layer of
# attention; and how many times as much a normaliser takes in a recurrence.
_MEASURING_SECONDS, _QUICK_MEASURING_SECONDS = 30.0, 5.0
_STEP_SECONDS = 0.006
_FRAME_SECONDS = {"tcn": 2e-5, "lstm": 4e-5, "transformer": 3e-5, "encoder": 3e-5}
_IN_RECURRENCE = {"batch": 2.0, "batch_step": 3.0}
_WINDOWED = 2.3  # windows are drawn of texts, and validation reads the whole ones

Progress = Callable[[str, float], None]  # (what is done, roughly how many seconds of work that was)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One seed of one claim. Claims that measure with one function share what it found."""

    number: int
    seed: int
    quick: bool

    @property
    def claim(self) -> Claim:
        """Return what it is a seed of."""
        return CLAIMS[self.number]

    @cached_property
    def needs(self) -> Sequence[TrainingRun]:
        """Return the training runs that have to be there before."""
        return self.claim.needs(self.seed, self.quick)

    def file(self, folder: Path) -> Path:
        """Return where its figures are kept: another experiment, training run or version is another file."""
        measure = self.claim.measure
        experiment = f"{measure.__module__.removeprefix('claims.experiments.')}-{measure.__name__.strip('_')}"
        parts = [
            _sources(self.claim),
            *(run.key for run in self.needs),
            *map(installed_version, _VERSIONS),
            str(self.quick),
        ]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return folder / "measured" / f"{experiment}-seed-{self.seed}-{digest}.json"


def measure_all(
    numbers: Sequence[int], seeds: Sequence[int], folder: Path, *, quick: bool, processes: int, progress: Progress
) -> dict[int, list[Measured]]:
    """Return the figures of every claim, seed by seed. Raises what an experiment raises."""
    wanted = [Measurement(number=number, seed=seed, quick=quick) for number in numbers for seed in seeds]
    missing = _missing(wanted, folder)
    # What measures time comes last and alone; not in a quick run, which is no evidence anyway.
    together = [each for each in missing if quick or not each.claim.alone]
    alone = [each for each in missing if each.claim.alone and not quick]
    with _pool(processes) as pool:
        _Schedule(pool, processes, folder, progress).run(together, missing)
    with _pool(1) as pool:
        _Schedule(pool, 1, folder, progress).run(alone, [])
    figures: dict[int, list[Measured]] = {number: [] for number in numbers}
    for each in wanted:
        figures[each.number].append(json.loads(each.file(folder).read_text()))
    return figures


def work_seconds(numbers: Sequence[int], seeds: Sequence[int], folder: Path, *, quick: bool) -> float:
    """Return roughly how many seconds of processor time are to be done."""
    wanted = [Measurement(number=number, seed=seed, quick=quick) for number in numbers for seed in seeds]
    missing = _missing(wanted, folder)
    runs = {run.key: run for each in missing for run in each.needs}
    training = sum(_training_seconds(run) for run in runs.values() if not trained.is_kept(run, _checkpoints(folder)))
    return training + len(missing) * _measuring_seconds(quick)


def _missing(wanted: Sequence[Measurement], folder: Path) -> list[Measurement]:
    """Return one measurement for every file that isn't there."""
    by_file = {each.file(folder): each for each in wanted}
    return [each for file, each in by_file.items() if not file.exists()]


class _Schedule:
    """Gives every process of the pool its next job: a measurement whose training runs are there, else a training run.

    Measurements go first, so that figures come early, and an experiment that fails does so before hours of training.
    """

    def __init__(self, pool: ProcessPoolExecutor, processes: int, folder: Path, progress: Progress) -> None:
        self._pool, self._processes, self._folder, self._progress = pool, processes, folder, progress
        self._futures: dict[Future[None], TrainingRun | Measurement] = {}

    def run(self, measurements: Sequence[Measurement], trained_for: Sequence[Measurement]) -> None:
        """Do everything that isn't there: all measurements, and the training runs of `trained_for`."""
        runs = {run.key: run for each in trained_for for run in each.needs}
        untrained = {key: run for key, run in runs.items() if not trained.is_kept(run, _checkpoints(self._folder))}
        lacking, waiting = set(untrained), list(measurements)
        while self._futures or waiting or untrained:
            while len(self._futures) < self._processes:
                ready = next((each for each in waiting if lacking.isdisjoint(run.key for run in each.needs)), None)
                if ready:
                    waiting.remove(ready)
                    self._futures[self._pool.submit(_measure, ready, self._folder)] = ready
                elif untrained:
                    run = untrained.pop(next(iter(untrained)))
                    self._futures[self._pool.submit(_train, run, self._folder)] = run
                else:
                    break
            lacking -= self._finished()

    def _finished(self) -> set[str]:
        done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
        keys: set[str] = set()
        for future in done:
            job = self._futures.pop(future)
            future.result()
            if isinstance(job, TrainingRun):
                keys.add(job.key)
                self._progress(job.name, _training_seconds(job))
            else:
                self._progress(f"claim {job.number}, seed {job.seed}", _measuring_seconds(job.quick))
        return keys


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(processes, get_context("spawn"))  # a forked torch may hang
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _train(run: TrainingRun, folder: Path) -> None:
    trained.make(run, _checkpoints(folder))


def _measure(measurement: Measurement, folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    file = measurement.file(folder)
    if file.exists():  # another run into this folder was faster
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soloist-claims-") as scratch:
        trial = Trial(
            seed=measurement.seed, quick=measurement.quick, checkpoints=_checkpoints(folder), scratch=Path(scratch)
        )
        figures = measurement.claim.measure(trial)
    write_atomically(file, json.dumps(figures).encode())


def _checkpoints(folder: Path) -> Path:
    return folder / "checkpoints"


def _sources(claim: Claim) -> str:
    """Return the digest of the module of an experiment, or of its folder where it has one of its own."""
    module = claim.measure.__module__
    folder = module.rpartition(".")[0]
    return code_digest(folder, (module,))


def _training_seconds(run: TrainingRun) -> float:
    config, recipe = run.config, run.recipe
    sequences, frames = _size(run.task, run.longest, run.sequences, recipe.window)
    of_frame = _FRAME_SECONDS[config.architecture] * getattr(config, "layers", 1)
    if config.architecture == "lstm":
        of_frame *= _IN_RECURRENCE.get(config.norm, 1.0)
    if recipe.window:
        of_frame *= _WINDOWED
    return recipe.epochs * (math.ceil(sequences / recipe.batch) * _STEP_SECONDS + frames * of_frame)


@cache
def _size(task: str, longest: int, sequences: int, window: int) -> tuple[int, int]:
    """Return how many sequences and frames there are in an epoch."""
    found = training_data(task, longest, sequences).train.sequences
    return len(found), sum(min(len(frames), window or len(frames)) for frames in found)


def _measuring_seconds(quick: bool) -> float:
    return _QUICK_MEASURING_SECONDS if quick else _MEASURING_SECONDS
