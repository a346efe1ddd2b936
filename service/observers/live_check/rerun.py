"""The same frames again, alone; and where the bits of two answers part.

Shapes: T frames, K outputs a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from service.certificate.difference import Difference, difference
from service.engine.row import joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.row import Row, RowResult
    from service.engine.runner import Runner
    from service.engine.untimed import UntimedRunner


def alone(runner: Runner | UntimedRunner, row: Row, *, piece_frames: int) -> RowResult:
    """Run a row without neighbours or padding, in pieces of at most `piece_frames`."""
    results: list[RowResult] = []
    states = row.states
    for first in range(0, len(row.frames), piece_frames):
        results += runner.run([row.part(first, piece_frames, states)])
        states = results[-1].states
    return joined(results)


def differences(outputs_name: str, expected: RowResult, found: RowResult) -> list[Difference]:
    """Compare outputs and every state bit by bit; the worst comes first, none when all are equal."""
    pairs = [(outputs_name, expected.outputs, found.outputs)]
    pairs += [(name, state, found.states[name]) for name, state in expected.states.items()]
    apart = [each for name, one, other in pairs if (each := _difference(name, one, other)) is not None]
    return sorted(apart, key=_badness, reverse=True)


def worst(apart: Sequence[Difference]) -> Difference | None:
    """Pick the farthest apart; what rounding can't explain is worse than what it may."""
    return max(apart, key=_badness, default=None)


def _badness(difference: Difference) -> tuple[bool, int]:
    return not difference.is_rounding, difference.ulp


def _difference(tensor: str, expected: NDArray[Any], found: NDArray[Any]) -> Difference | None:
    # Unlike in a proof, NaN of equal bits is equal: an operator may let NaN in, and then NaN is the answer.
    if expected.shape == found.shape and expected.tobytes() == found.tobytes():
        return None
    return difference(tensor, expected, found)
