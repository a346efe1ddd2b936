"""The exact part: the whole held-out set under every shift, in PyTorch, before and after re-estimation.

Recalibration is judged two-fold: statistics from one half of the shifted sequences answer the other half, so that no
sequence is judged with statistics that it is part of, and every sequence is judged once.

Shape suffixes: C channels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demo.monitoring.plan import OFFLINE_SHIFTS, TASK, Plan, model_name
from demo.pool import Show, Step, run_all, tell
from models.data import Split, load

if TYPE_CHECKING:
    from models.training import Checkpoint

_NOISE_STREAM = 1_000  # of random numbers: noise is drawn anew for each seed


@dataclass(frozen=True, kw_only=True)
class OfflineResult:
    """How many of `sequences` are right, for one seed under one shift.

    `recalibrated`: each layer estimated behind those already recalibrated. `single_pass`: all layers from what they get
    while the others still have their stale statistics.
    """

    seed: int
    shift: str
    sequences: int
    layer: int
    batch: int
    recalibrated: int
    single_pass: int

    def accuracy(self, which: str) -> float:
        """Return the share of right answers of "layer", "batch", "recalibrated" or "single_pass"."""
        return float(asdict(self)[which]) / self.sequences


def job_names(plan: Plan) -> list[str]:
    """Return the names of what is measured, for the display."""
    return [model_name(seed) for seed in plan.seeds]


def measure_all(plan: Plan, checkpoints: dict[tuple[int, str], Path], show: Show) -> list[OfflineResult]:
    """Measure every seed under every shift; raises what a worker raises."""
    jobs = {
        model_name(seed): (
            seed,
            checkpoints[seed, "batch"],
            checkpoints[seed, "layer"],
            plan.pseudo_count,
            plan.offline_shifts,
        )
        for seed in plan.seeds
    }
    found = run_all(_measure, jobs, processes=plan.processes, show=show)
    return [result for results in found.values() for result in results]


def shifted(held_out: Split, shift: str, seed: int) -> Split:
    """Apply a shift of OFFLINE_SHIFTS at full strength to every sequence."""
    applied = OFFLINE_SHIFTS[shift]
    if applied is None:
        return held_out
    rng = np.random.default_rng([seed, _NOISE_STREAM])
    deviation_C = np.concatenate(held_out.sequences).std(axis=0, dtype=np.float64)
    sequences = [applied.applied(frames, 1.0, deviation_C, rng) for frames in held_out.sequences]
    return Split(sequences=sequences, labels=held_out.labels)


def _measure(
    name: str, seed: int, batch: Path, layer: Path, pseudo_count: float, shifts: tuple[str, ...]
) -> list[OfflineResult]:
    import torch

    from models.training import Checkpoint

    torch.set_num_threads(1)
    held_out, results = load(TASK).test, []
    stale, sibling = Checkpoint.load(batch), Checkpoint.load(layer)
    for done, shift in enumerate(shifts):
        tell(Step(name=name, done=done, total=len(shifts), text=shift))
        split = shifted(held_out, shift, seed)
        counts = {"layer": _correct(sibling, split), "batch": _correct(stale, split)}
        counts |= _two_fold(stale, split, pseudo_count)
        results.append(OfflineResult(seed=seed, shift=shift, sequences=len(split), **counts))
    tell(Step(name=name, done=len(shifts), total=len(shifts), text="measured", finished=True))
    return results


def _two_fold(stale: Checkpoint, split: Split, pseudo_count: float) -> dict[str, int]:
    from demo.monitoring.single_pass_recalibration import recalibrated_in_a_single_pass
    from models.training import recalibrated

    counts: dict[str, Any] = {"recalibrated": 0, "single_pass": 0}
    halves = [split.select(range(first, len(split), 2)) for first in (0, 1)]
    for estimate, judge in (halves, halves[::-1]):
        counts["recalibrated"] += _correct(recalibrated(stale, estimate.sequences, pseudo_count), judge)
        counts["single_pass"] += _correct(recalibrated_in_a_single_pass(stale, estimate.sequences, pseudo_count), judge)
    return counts


def _correct(checkpoint: Checkpoint, split: Split) -> int:
    from models.training.evaluation import predict

    return int((predict(checkpoint.model(), split).argmax(axis=1) == split.labels).sum())
