"""The model as the protocol shows it: named tensors in and out, rows inside. Only this file maps one to the other.

Shapes: B rows of a request, T frames, K outputs a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.api.oip.tensor_port import (
    TensorPort,
    check_frames,
    lengths_of,
    of_row,
    padded,
    plain,
    require_inputs,
    require_outputs,
    state,
    state_of_row,
    states_among,
)
from service.core.errors import Reason, ServiceError
from service.core.tensors import check_frame_count, check_values
from service.engine.row import Row
from service.serving.inputs import sort
from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.layout import Axes
    from service.engine.row import Position, States
    from service.loading.servable import Servable
    from service.serving.batcher import Answer
    from soloist.v1.tensor_pb2 import TensorSpec

Arrays = Mapping[str, "NDArray[Any]"]


class ModelView:
    """A version as the protocol shows it. States stay in the server, but may be sent and requested by name."""

    def __init__(self, servable: Servable) -> None:
        signature = servable.manifest.signature
        self.signature = signature
        self._axes: Mapping[str, Axes] = servable.description.client_axes if servable.description else {}
        self._specs = {each.tensor.name: each for each in signature.inputs}
        self._frames = self._port(signature.frames)
        further = [
            self._port(each.tensor, per_frame=each.per_frame, optional=each.optional) for each in signature.inputs
        ]
        # A constant input need not be sent, so it isn't listed. A caller may send it, with the value of the constant.
        constant = {name for name, each in self._specs.items() if each.HasField("constant")}
        self.inputs = [self._frames, *(port for port in further if port.name not in constant)]
        self._required = [port.name for port in self.inputs if not port.optional]
        # Not listed: clients that send every listed input would make up lengths. Without it all frames are valid.
        has_length = signature.HasField("length")
        self.length = plain(signature.length, per_frame=False, optional=True) if has_length else None
        self.outputs = [self._port(spec) for spec in (signature.outputs, *signature.extra_outputs)]
        self.state_inputs = {each.name: state(each.input, each, self._state(each.input)) for each in signature.states}
        self.state_outputs = {each.name: state(each.output, each, self._state(each.input)) for each in signature.states}
        self._states = {name: port.name for name, port in self.state_inputs.items()}
        self._taken = {port.name: port for port in (self._frames, *further, *self.state_inputs.values())}
        if self.length is not None:
            self._taken[self.length.name] = self.length
        self._given = {port.name: port for port in (*self.outputs, *self.state_outputs.values())}

    def read(self, arrays: Arrays) -> tuple[Arrays, int]:
        """Check inputs and return them as [B, T, …] or [B, …], with the number of rows, at least 1.

        Raises:
            ServiceError: one is missing, unknown, or has another type or shape than the model takes.

        """
        require_inputs(arrays, self._taken, self._required)
        rows = self._frames.rows_of(arrays[self._frames.name])
        moved = {name: self._taken[name].read(array, rows) for name, array in arrays.items()}
        if 0 in moved[self._frames.name].shape[:2]:
            raise ServiceError(Reason.EMPTY_SEQUENCE)
        if rows > 1 and any(port.axes.batch is None for port in self._given.values()):
            raise ServiceError(Reason.BATCH_TOO_LARGE, rows=rows, max_rows=1)
        check_frames(arrays, moved, self._frames.name, [name for name, spec in self._specs.items() if spec.per_frame])
        return moved, rows

    def states(self, arrays: Arrays) -> States | None:
        """Return the states [B, …] among the inputs, None if there are none.

        Raises:
            ServiceError: INPUT_MISSING, if some but not all are there.

        """
        return states_among(arrays, self._states)

    def rows(self, arrays: Arrays, before: States, position: Position, *, allow_non_finite: bool) -> list[Row]:
        """Split inputs from `read` into rows: the valid frames of each, after the states `before` [B or 1, …].

        Raises:
            ServiceError: a length, or a number in the valid frames, is not what the model takes.

        """
        frames_BT = arrays[self._frames.name]
        rows = []
        for index, length in enumerate(lengths_of(frames_BT, self.length, arrays)):
            frames = frames_BT[index, :length]
            if len(frames_BT) > 1:
                frames = frames.copy()  # a view would keep the whole request in memory as long as one row
            check_frame_count(length, self.signature)
            check_values(frames, self.signature, allow_non_finite=allow_non_finite)
            states = {name: state_of_row(array, index) for name, array in before.items()}
            inputs = {
                name: of_row(arrays[name], index, length if spec.per_frame else None)
                for name, spec in self._specs.items()
                if name in arrays
            }
            auxiliary = sort(inputs, self._specs, position, allow_non_finite=allow_non_finite)
            rows.append(Row(frames=frames, states=states, auxiliary=auxiliary))
        return rows

    def wanted(self, names: Collection[str]) -> Collection[str]:
        """Return the names of the outputs to send: the requested ones, or else all usual ones.

        Raises:
            ServiceError: OUTPUT_UNKNOWN.

        """
        require_outputs(names, self._given)
        return names or [port.name for port in self.outputs]

    def results(
        self, arrays: Arrays, rows: Sequence[Row], answers: Sequence[Answer], wanted: Collection[str]
    ) -> dict[str, NDArray[Any]]:
        """Join the answers of all rows: [B, T, K] with zeros after a row's valid frames, and states [B, …]."""
        frames = int(arrays[self._frames.name].shape[1])
        first = self.outputs[0].name
        results: dict[str, NDArray[Any]] = {}
        for port in self.outputs:
            if port.name in wanted:
                outputs = [each.outputs if port.name == first else each.extra[port.name] for each in answers]
                is_aligned = all(len(each) == len(row.frames) for each, row in zip(outputs, rows, strict=True))
                results[port.name] = port.write(padded(outputs, frames if is_aligned else max(map(len, outputs))))
        for name, port in self.state_outputs.items():
            if port.name in wanted:
                results[port.name] = port.write(np.concatenate([answer.states[name] for answer in answers]))
        return results

    def _port(self, spec: TensorSpec, *, per_frame: bool = True, optional: bool = False) -> TensorPort:
        axes = self._axes.get(spec.name)
        if axes is None:
            return plain(spec, per_frame=per_frame, optional=optional)
        frames = self.signature.frames_per_run if per_frame and spec is not self.signature.outputs else 0
        return TensorPort(
            name=spec.name, dtype=dtype_of(spec.data_type), axes=axes, frames=frames or -1, optional=optional
        )

    def _state(self, tensor: str) -> Axes | None:
        return self._axes.get(tensor)
