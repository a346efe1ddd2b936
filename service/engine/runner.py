"""Runs of a graph: rows of different length are padded into one batch, and their answers taken apart again.

Shapes: B rows of a batch, T frames, C features of a frame, K outputs a frame. States keep a batch axis of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from service.tensors import DTYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from soloist.v1.model_pb2 import Signature

# By name; each [1, …].
States = dict[str, Any]
# A run of more padded frames than this gives its memory back: the arena would keep its largest run for ever.
_LARGE_RUN_FRAMES = 16_384


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Frames [T, C] or [T] of one sequence, T ≥ 1, and the states that came before them."""

    frames: NDArray[Any]
    states: States


@dataclass(frozen=True, kw_only=True, slots=True)
class RowResult:
    """Outputs [T, K] for every frame of a row, and the states behind its last frame."""

    outputs: NDArray[Any]
    states: States


class Runner:
    """One session and its signature. May run on several threads at once."""

    def __init__(self, session: ort.InferenceSession, signature: Signature) -> None:
        self._session = session
        self._frames = signature.frames.name
        self._length = signature.length.name if signature.HasField("length") else ""
        self._states = [(state.name, state.input) for state in signature.states]
        self._wanted = [signature.outputs.name, *(state.output for state in signature.states)]
        self._zero: States = {
            state.name: _read_only(np.zeros((1, *state.shape), DTYPES[state.data_type])) for state in signature.states
        }
        self._shrink = ort.RunOptions()
        self._shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.state_bytes = sum(int(state.nbytes) for state in self._zero.values())

    def initial_states(self) -> States:
        """Zeros: nothing came before."""
        return dict(self._zero)

    def run(self, rows: Sequence[Row]) -> list[RowResult]:
        """Answer rows in one run, in the order given."""
        if len(rows) == 1:
            return [self._run_alone(rows[0])]
        lengths = [len(row.frames) for row in rows]
        longest = max(lengths)
        frames = rows[0].frames
        padded = np.zeros((len(rows), longest, *frames.shape[1:]), frames.dtype)
        for index, row in enumerate(rows):
            padded[index, : lengths[index]] = row.frames
        feed = {self._frames: padded}
        if self._length:
            feed[self._length] = np.array(lengths, np.int64)
        for name, tensor in self._states:
            feed[tensor] = np.concatenate([row.states[name] for row in rows])
        outputs, *states = self._execute(feed, len(rows) * longest)
        # Copies: a view would keep the whole batch in memory as long as one of its sequences lasts.
        return [
            RowResult(
                outputs=outputs[index, :length].copy(),
                states={
                    name: state[index : index + 1].copy() for (name, _), state in zip(self._states, states, strict=True)
                },
            )
            for index, length in enumerate(lengths)
        ]

    def _run_alone(self, row: Row) -> RowResult:
        feed = {self._frames: row.frames[None]}
        if self._length:
            feed[self._length] = np.array([len(row.frames)], np.int64)
        for name, tensor in self._states:
            feed[tensor] = row.states[name]
        outputs, *states = self._execute(feed, len(row.frames))
        names = (name for name, _ in self._states)
        return RowResult(outputs=outputs[0], states=dict(zip(names, states, strict=True)))

    def _execute(self, feed: dict[str, Any], padded_frames: int) -> list[Any]:
        options = self._shrink if padded_frames > _LARGE_RUN_FRAMES else None
        answers: list[Any] = self._session.run(self._wanted, feed, options)
        return answers


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
