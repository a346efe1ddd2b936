"""Owns how the models come to be: trained and exported in processes of their own, several at once."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from demo.plan import Plan

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a model is: `done` of `total` epochs, and what comes next in words."""

    name: str
    done: int
    total: int
    text: str
    finished: bool = False


class _Worker:
    """What a worker process is given when it starts."""

    steps: Queue[Step]


def make_all(plan: Plan, repository: Path, show: Callable[[Step], None]) -> dict[str, float]:
    """Train every model and export it as version 1; returns the seconds each took. Raises what a worker raises."""
    context = get_context("spawn")  # a forked torch may hang
    steps: Queue[Step] = context.Queue()
    with ProcessPoolExecutor(plan.processes, context, initializer=_begin, initargs=(steps,)) as pool:
        futures = {pool.submit(_make, name, repository, plan.seed, plan.epochs): name for name in plan.names}
        pending, seconds = set(futures), dict[str, float]()
        while pending:
            done, pending = wait(pending, timeout=_POLL_SECONDS)
            _drain(steps, show)
            try:
                seconds |= {futures[future]: future.result() for future in done}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    _drain(steps, show)  # what the workers said last
    return seconds


def _drain(steps: Queue[Step], show: Callable[[Step], None]) -> None:
    while True:
        try:
            show(steps.get_nowait())
        except queue.Empty:
            return


def _begin(steps: Queue[Step]) -> None:
    _Worker.steps = steps


def _make(name: str, repository: Path, seed: int, epochs: int | None) -> float:
    """Run in a worker: imports of torch stay out of the parent, which measures."""
    from export import export_checkpoint
    from models import zoo
    from models.data import load
    from models.training import Epoch, train

    def progress(epoch: Epoch) -> None:
        text = f"loss {epoch.loss:.3f}, validation {epoch.validation.accuracy:.1%}"
        _Worker.steps.put(Step(name=name, done=epoch.epoch, total=epoch.epochs, text=text))

    started = time.perf_counter()
    task, architecture, config = zoo.configuration(name)
    dataset = load(task)
    checkpoint = train(dataset, architecture, config, seed=seed, epochs=epochs, progress=progress)
    _Worker.steps.put(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text="exporting"))
    export_checkpoint(checkpoint, repository, name=name, version=1, dataset=dataset)
    seconds = time.perf_counter() - started
    text = f"trained and exported in {seconds:.0f} s"
    _Worker.steps.put(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text=text, finished=True))
    return seconds
