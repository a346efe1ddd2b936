"""What a model looks like to the protocol: named tensors in and out, rows in between. Only this file knows which.

Shapes: B rows of a request, T frames, K outputs a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.runner import Row
from service.errors import Reason, ServiceError
from service.oip.datatypes import word_of
from service.tensors import DTYPES, check_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.batcher import Answer
    from service.engine.graph import States
    from service.engine.servable import Servable
    from soloist.v1.model_pb2 import StateSpec
    from soloist.v1.tensor_pb2 import TensorSpec

Arrays = Mapping[str, "NDArray[Any]"]


@dataclass(frozen=True, kw_only=True)
class Port:
    """One tensor: its shape begins with the batch axis, and -1 varies. An optional input may be left out."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    optional: bool = False

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape of one row, as a configuration tells it: at least one axis."""
        return self.shape[1:] or (1,)


class ModelView:
    """A version as the protocol shows it. States stay with the server, but may be given and asked for by name."""

    def __init__(self, servable: Servable) -> None:
        signature = servable.manifest.signature
        self.signature = signature
        self.inputs = [_port(signature.frames)]
        # Listed nowhere: clients that send whatever is listed would make up lengths. None stands for all frames.
        self.length = _port(signature.length, optional=True) if signature.HasField("length") else None
        self.outputs = [_port(signature.outputs)]
        self.state_inputs = {state.name: _state(state.input, state) for state in signature.states}
        self.state_outputs = {state.name: _state(state.output, state) for state in signature.states}
        self._taken = {port.name: port for port in (*self.inputs, *self.state_inputs.values())}
        if self.length is not None:
            self._taken[self.length.name] = self.length
        self._given = {port.name for port in (*self.outputs, *self.state_outputs.values())}

    def check(self, arrays: Arrays) -> int:
        """Hold inputs against the model; returns the number of rows, at least 1.

        Raises:
            ServiceError: one is missing, unknown, or of another type or shape than the model takes.

        """
        for name in arrays:
            if name not in self._taken:
                raise ServiceError(Reason.INPUT_UNKNOWN, input=name)
        for port in self.inputs:
            if not port.optional and port.name not in arrays:
                raise ServiceError(Reason.INPUT_MISSING, input=port.name)
        rows = max(1, next(iter(arrays[self.inputs[0].name].shape), 1))
        for name, array in arrays.items():
            _check(self._taken[name], array, rows)
        if 0 in arrays[self.inputs[0].name].shape[:2]:
            raise ServiceError(Reason.EMPTY_SEQUENCE)
        return rows

    def frames_of(self, arrays: Arrays) -> int:
        """Return T, of checked inputs."""
        return int(arrays[self.signature.frames.name].shape[1])

    def states(self, arrays: Arrays) -> States | None:
        """Pick the states [B, …] that a request brings; None when it brings none.

        Raises:
            ServiceError: INPUT_MISSING, when it brings some and not all.

        """
        if not any(port.name in arrays for port in self.state_inputs.values()):
            return None
        for port in self.state_inputs.values():
            if port.name not in arrays:
                raise ServiceError(Reason.INPUT_MISSING, input=port.name)
        return {name: arrays[port.name] for name, port in self.state_inputs.items()}

    def rows(self, arrays: Arrays, before: States, *, allow_non_finite: bool) -> list[Row]:
        """Take checked inputs apart: the valid frames of every row, behind `before` [B or 1, …].

        Raises:
            ServiceError: a length or a number in the valid frames is none that the model takes.

        """
        frames_BT = arrays[self.signature.frames.name]
        rows = []
        for index, length in enumerate(self._lengths(arrays, frames_BT)):
            frames = frames_BT[index, :length]
            check_values(frames, self.signature, allow_non_finite=allow_non_finite)
            states = {name: state[index : index + 1] if len(state) > 1 else state for name, state in before.items()}
            rows.append(Row(frames=frames, states=states))
        return rows

    def wanted(self, names: Collection[str]) -> Collection[str]:
        """Say which outputs to give: those asked for by name, else the usual ones.

        Raises:
            ServiceError: OUTPUT_UNKNOWN.

        """
        for name in names:
            if name not in self._given:
                raise ServiceError(Reason.OUTPUT_UNKNOWN, output=name)
        return names or [port.name for port in self.outputs]

    def results(self, answers: Sequence[Answer], wanted: Collection[str], frames: int) -> dict[str, NDArray[Any]]:
        """Put the answers of all rows together: [B, T, K] with zeros behind a row's valid frames, and states [B, …]."""
        results: dict[str, NDArray[Any]] = {}
        for name in wanted:
            if name == self.signature.outputs.name:
                results[name] = _padded([answer.outputs for answer in answers], frames)
        for name, port in self.state_outputs.items():
            if port.name in wanted:
                results[port.name] = np.concatenate([answer.states[name] for answer in answers])
        return results

    def _lengths(self, arrays: Arrays, frames_BT: NDArray[Any]) -> list[int]:
        B, T = frames_BT.shape[:2]
        if self.length is None or self.length.name not in arrays:
            return [T] * B
        lengths: list[int] = arrays[self.length.name].ravel().tolist()
        for length in lengths:
            if not 1 <= length <= T:
                raise ServiceError(
                    Reason.INPUT_VALUE_OUT_OF_RANGE, input=self.length.name, value=length, minimum=1, maximum=T
                )
        return lengths


def _check(port: Port, array: NDArray[Any], rows: int) -> None:
    if array.dtype != port.dtype:
        raise ServiceError(
            Reason.INPUT_TYPE_MISMATCH,
            input=port.name,
            data_type=word_of(array.dtype),
            expected=word_of(port.dtype),
        )
    # One element a row is [B] to some clients and [B, 1] to others.
    expected = (rows, *(port.dims if array.ndim > 1 else port.shape[1:]))
    fits = array.ndim == len(expected) and array.shape[0] in (0, rows)
    if not fits or any(told not in (-1, size) for told, size in zip(expected[1:], array.shape[1:], strict=True)):
        sizes = [rows if array.ndim else "batch", *("time" if size == -1 else size for size in expected[1:])]
        raise ServiceError(
            Reason.INPUT_SHAPE_MISMATCH,
            input=port.name,
            shape=list(array.shape),
            expected=f"[{', '.join(map(str, sizes))}]",
        )


def _padded(outputs: Sequence[NDArray[Any]], frames: int) -> NDArray[Any]:
    if len(outputs) == 1 and len(outputs[0]) == frames:
        return outputs[0][None]
    padded = np.zeros((len(outputs), frames, *outputs[0].shape[1:]), outputs[0].dtype)
    for index, output in enumerate(outputs):
        padded[index, : len(output)] = output
    return padded


def _port(spec: TensorSpec, *, optional: bool = False) -> Port:
    return Port(name=spec.name, dtype=DTYPES[spec.data_type], shape=tuple(spec.shape), optional=optional)


def _state(name: str, spec: StateSpec) -> Port:
    return Port(name=name, dtype=DTYPES[spec.data_type], shape=(-1, *spec.shape), optional=True)
