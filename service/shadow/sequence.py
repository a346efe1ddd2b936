"""One sequence on the shadow: the state it carries there, one step of it, and how far two answers are apart.

Shapes: T frames of a step, K outputs a frame.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from service.live_check.rerun import alone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.servable import Servable
    from service.prediction import Prediction

Outcome = Literal["equal-bits", "same-class", "different-class", "different-values", "failed", "dropped"]


class ShadowSequence:
    """Begins with the caller's, from the shadow's own zero state, and runs step by step on the worker's thread.

    Once a step is missing the rest would be compared with another sequence's answers, so the first that is dropped or
    fails is the last that runs. The version is held weakly: one that is unloaded goes, and the sequence ends.
    """

    def __init__(self, answering: Servable, shadow: Servable, *, piece_frames: int) -> None:
        """Args: `piece_frames` is the most frames of a run, where the shadow may be cut."""
        self.labels = (answering.name, str(answering.version), str(shadow.version))
        # Written on the event loop; the worker knows by its state whether it has ended.
        self.is_over = False
        self._shadow = weakref.ref(shadow)
        self._states: dict[str, Any] | None = shadow.runner.initial_states()
        self._piece_frames = piece_frames

    def run(self, given: Prediction) -> tuple[Outcome, Prediction | None]:
        """Run the frames of the next answer; return how far the shadow's is from it, and the shadow's, of the same id.

        There is none where the step is dropped.

        Raises:
            Exception: whatever ONNX Runtime does; the sequence is over.

        """
        shadow, states, self._states = self._shadow(), self._states, None
        if shadow is None or states is None:
            return "dropped", None
        row = replace(given.row, states=states)
        piece_frames = self._piece_frames if shadow.sliced else len(row.frames)
        result = alone(shadow.runner, row, piece_frames=piece_frames)
        self._states = result.states
        outputs = _last(result.outputs, len(given.outputs))
        found = replace(given, servable=shadow, row=row, outputs=outputs, batch_size=1)
        return compare(given.outputs, outputs), found


def compare(given: NDArray[Any], found: NDArray[Any]) -> Outcome:
    """Compare the outputs [T, K] or [1, K] that a caller was given with those found at every frame, [T, K].

    The class is that of the last frame: the largest output, the first of equals. One output a frame, [T, 1] or [T],
    stands for no class.
    """
    found = _last(found, len(given))
    if given.shape != found.shape or given.dtype != found.dtype:
        return "failed"
    if given.tobytes() == found.tobytes():
        return "equal-bits"
    if given.ndim == 1 or given[-1].size == 1:
        return "different-values"
    return "same-class" if given[-1].argmax() == found[-1].argmax() else "different-class"


def _last(outputs: NDArray[Any], count: int) -> NDArray[Any]:
    # A model made elsewhere may give no output for some frames.
    return outputs[-count:] if count else outputs
