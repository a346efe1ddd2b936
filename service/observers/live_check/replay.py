"""The replay of a repro bundle: its answer computed again, alone and in runs of the same shape with new neighbours.

The content of the shared runs isn't known, only the lengths of their rows. So neighbours of several scales are tried,
where ×1 is as large as the answer's own frames (root mean square).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.difference import worst
from service.certificate.neighbours import Neighbours
from service.certificate.sequence_generator import SequenceGenerator
from service.engine.row import Row, RowResult, joined
from service.observers.live_check.rerun import alone, worst_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.difference import Difference
    from service.loading.servable import Servable
    from service.observers.live_check.repro_bundle import ReproBundle
    from service.observers.live_check.run_trace import RunShape

NEIGHBOUR_SCALES = (1.0, 100.0, 0.0)
_TRIES_EACH = 4
_MOST_RUNS_BEFORE = 8


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The repetitions with neighbours of one scale, or none: how many differed, and the largest difference."""

    neighbour_scale: float | None
    tries: int
    differing: int
    worst: Difference | None


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The result: `then`, the difference in the repro bundle; `alone`, that of the runs alone, then and now."""

    then: Difference | None
    alone: Difference | None
    trials: tuple[Trial, ...]

    @property
    def is_reproduced(self) -> bool:
        """Return whether any answer differed from the same frames alone."""
        return any(trial.differing for trial in self.trials)


def replay(bundle: ReproBundle, servable: Servable, *, seed: int) -> Replay:
    """Run a repro bundle on a version of its model. The same seed draws the same neighbours."""
    name = servable.manifest.signature.outputs.name
    reference = alone(servable.runner, bundle.row, piece_frames=bundle.header.piece_frames)
    neighbours = Neighbours(
        runner=servable.require_time_axis(),
        generator=SequenceGenerator(servable.manifest.signature),
        rng=np.random.default_rng(seed),
        most_runs_before=_MOST_RUNS_BEFORE,
    )
    unit = _magnitude(bundle.row.frames)

    def attempt(scale: float | None) -> Trial:
        tries = 1 if scale is None else _TRIES_EACH
        size = None if scale is None else scale * unit
        found = [worst_difference(name, reference, _again(bundle, servable, neighbours, size)) for _ in range(tries)]
        apart = [each for each in found if each is not None]
        return Trial(neighbour_scale=scale, tries=tries, differing=len(apart), worst=worst(apart))

    has_neighbours = any(len(run.lengths) > 1 for run in bundle.header.runs)
    return Replay(
        then=worst_difference(name, bundle.alone, bundle.given),
        alone=worst_difference(name, bundle.alone, reference),
        trials=tuple(attempt(scale) for scale in (NEIGHBOUR_SCALES if has_neighbours else (None,))),
    )


def _again(bundle: ReproBundle, servable: Servable, neighbours: Neighbours, scale: float | None) -> RowResult:
    results: list[RowResult] = []
    states = bundle.row.states
    first = 0
    for run in bundle.header.runs:
        frames = run.lengths[run.row]
        row = Row(frames=bundle.row.frames[first : first + frames], states=states)
        result = servable.runner.run_rows(list(_rows(row, run, neighbours, scale)))[run.row]
        results.append(result)
        states = result.states
        first += frames
    return joined(results)


def _rows(row: Row, run: RunShape, neighbours: Neighbours, scale: float | None) -> Iterator[Row]:
    for index, length in enumerate(run.lengths):
        yield row if index == run.row or scale is None else neighbours.row(length, scale)


def _magnitude(frames: NDArray[Any]) -> float:
    """Return the root mean square of the finite values; 1 if there are none, or all are zero."""
    numbers = frames.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.any() else 1.0
