"""The rerun of an answer alone, and the comparison of the two.

Shapes: T frames, K outputs a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.certificate.difference import Difference, difference, worst
from service.engine.row import joined

if TYPE_CHECKING:
    from service.engine.row import Row, RowResult
    from service.engine.runner import Runner
    from service.engine.untimed import UntimedRunner


def alone(runner: Runner | UntimedRunner, row: Row, *, piece_frames: int) -> RowResult:
    """Run a row without neighbours or padding, in pieces of at most `piece_frames`."""
    results: list[RowResult] = []
    states = row.states
    for first in range(0, len(row.frames), piece_frames):
        results += runner.run_rows([row.part(first, piece_frames, states)])
        states = results[-1].states
    return joined(results)


def worst_difference(outputs_name: str, expected: RowResult, found: RowResult) -> Difference | None:
    """Return the largest bitwise difference of outputs and states; None if all are equal."""
    pairs = [(outputs_name, expected.outputs, found.outputs)]
    pairs += [(name, state, found.states[name]) for name, state in expected.states.items()]
    return worst(difference(name, one, other, nan_is_equal=True) for name, one, other in pairs)
