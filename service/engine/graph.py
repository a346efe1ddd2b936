"""A graph: a session called by the names of the signature, with padded batches in and out.

Shapes: B rows, T frames, K outputs a frame; a state is [B, …].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.tensors import decode
from service.engine.auxiliary_feed import AuxiliaryFeed
from service.engine.layout import Layouts, axes_of
from service.engine.session import run_graph
from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from service.engine.onnx_runtime import ort
    from service.engine.row import States
    from soloist.v1.model_pb2 import Signature, StateSpec


class Graph:
    """A graph with its signature. Stateless; may run on several threads at once."""

    def __init__(
        self,
        session: ort.InferenceSession,
        signature: Signature,
        *,
        one_step: ort.InferenceSession | None = None,
        results: Sequence[str] = (),
    ) -> None:
        """Create it from one session, or from two.

        Args:
            session: runs the graph.
            signature: names its tensors.
            one_step: runs single frames instead.
            results: names tensors of the graph that `evaluate` returns in addition to those of the signature.

        """
        self.signature = signature
        feed = AuxiliaryFeed(signature)
        self.auxiliary_feed = feed if feed else None
        self.extra_outputs = [spec.name for spec in signature.extra_outputs]
        self._session = session
        self._one_step = one_step or session
        self._frames_name, self._length_name = signature.frames.name, signature.length.name
        self._length_dtype = dtype_of(signature.length.data_type) if self.takes_length else None
        self._states = [(state.name, state.input, state.output) for state in signature.states]
        named = [signature.outputs.name, *(output for _, _, output in self._states), *self.extra_outputs]
        self._wanted = named + [name for name in results if name not in named]
        self._layouts = Layouts(axes_of(signature))
        self._is_plain = not self._layouts

    @property
    def takes_length(self) -> bool:
        """Return whether rows of different length can share a run."""
        return bool(self.signature.HasField("length"))

    @property
    def takes_batches(self) -> bool:
        """Return whether rows can share a run at all."""
        return bool(self.signature.frames.shape[0] != 1)

    @property
    def takes_ragged_batches(self) -> bool:
        """Return whether rows of any lengths can share a run: by a length input, or because of a fixed window."""
        return self.takes_batches and (self.takes_length or self.signature.frames_per_run > 0)

    def zero_states(self, rows: int) -> States:
        """Return the states before the first frame: zeros, or those of the signature."""
        return {state.name: _initial(state, rows) for state in self.signature.states}

    def run(self, frames: NDArray[Any], lengths: Sequence[int], states: States) -> tuple[NDArray[Any], States]:
        """Run `frames` [B, T, …]; in each row, the first `lengths` frames are valid.

        Returns:
            Outputs [B, T, K], and the states after each row's last valid frame.

        """
        results = self.evaluate(frames, lengths, states)
        return results[self.signature.outputs.name], self.following(results)

    def evaluate(
        self,
        frames: NDArray[Any],
        lengths: Sequence[int],
        states: States,
        auxiliary: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Run as `run` does, and return every result by the name of its tensor.

        `auxiliary` are the graph's other inputs [B, T, …] or [B, …]; by default only the constants.
        """
        feed = {self._frames_name: frames}
        if self._length_dtype is not None:
            feed[self._length_name] = np.array(lengths, self._length_dtype)
        for name, tensor, _ in self._states:
            feed[tensor] = states[name]
        if self.auxiliary_feed is not None:
            feed |= self.auxiliary_feed.constant(*frames.shape[:2]) if auxiliary is None else auxiliary
        session = self._one_step if frames.shape[1] == 1 else self._session
        if self._is_plain:
            return dict(zip(self._wanted, run_graph(session, self._wanted, feed, frames), strict=True))
        results = run_graph(session, self._wanted, self._layouts.inward(feed), frames)
        return self._layouts.outward(dict(zip(self._wanted, results, strict=True)))

    def following(self, results: Mapping[str, NDArray[Any]]) -> States:
        """Return the next states from the results of a run."""
        return {name: results[output] for name, _, output in self._states}


def _initial(state: StateSpec, rows: int) -> NDArray[Any]:
    if not state.HasField("initial"):
        return np.zeros((rows, *state.shape), dtype_of(state.data_type))
    return np.repeat(decode(state.initial)[None], rows, axis=0)
