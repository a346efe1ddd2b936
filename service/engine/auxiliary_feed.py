"""The feed of auxiliary inputs, constants and control inputs: all but frames, lengths and states.

Shapes: B rows, T frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.core.tensors import decode
from soloist.data_types import dtype_of
from soloist.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from service.engine.row import Position, Row
    from soloist.v1.model_pb2 import ControlSpec, Signature

Feed = dict[str, "NDArray[Any]"]


class AuxiliaryFeed:
    """The maker of these inputs for one signature; false if it has none."""

    def __init__(self, signature: Signature) -> None:
        self._constants = {
            each.tensor.name: (decode(each.constant), each.per_frame)
            for each in signature.inputs
            if each.HasField("constant")
        }
        self._controls = list(signature.controls)
        self._has_any = bool(signature.inputs or signature.controls)

    def __bool__(self) -> bool:
        return self._has_any

    def constant(self, rows: int, frames: int) -> Feed:
        """Return the constants for every row of `frames` frames: [B, T, …] or [B, …]."""
        return {
            name: np.broadcast_to(value, ((rows, frames) if per_frame else (rows,)) + value.shape)
            for name, (value, per_frame) in self._constants.items()
        }

    def of(self, rows: Sequence[Row], frames: int) -> Feed:
        """Return the inputs of rows, padded to `frames`: [B, T, …] or [B, …]. All rows have the same inputs."""
        feed = self.constant(len(rows), frames)
        for name in rows[0].auxiliary.inputs:
            feed[name] = np.stack([row.auxiliary.inputs[name] for row in rows])
        for name, first in rows[0].auxiliary.frame_inputs.items():
            feed[name] = np.zeros((len(rows), frames, *first.shape[1:]), first.dtype)
            for index, row in enumerate(rows):
                feed[name][index, : len(row.frames)] = row.auxiliary.frame_inputs[name]
        for control in self._controls:
            values = [value_of(control, row.auxiliary.position) for row in rows]
            feed[control.tensor.name] = np.array(values, dtype_of(control.tensor.data_type))
        return feed


def value_of(control: ControlSpec, position: Position) -> float | int:
    """Return the value of a control input for a row at `position`.

    Raises:
        ServiceError: PARAMETER_INVALID, if the model reads a number and the sequence has a name.

    """
    match control.kind:
        case pb.CONTROL_KIND_START:
            return control.yes if position.starts else control.no
        case pb.CONTROL_KIND_END:
            return control.yes if position.ends else control.no
        case pb.CONTROL_KIND_SEQUENCE_ID:
            return _number(control, position.sequence_id)
        case _:
            return control.yes


def _number(control: ControlSpec, sequence_id: int | str) -> int:
    limits = np.iinfo(dtype_of(control.tensor.data_type))
    if isinstance(sequence_id, str) or not limits.min <= sequence_id <= limits.max:
        expected = f"an integer of at most {limits.max}: the model reads it"
        raise ServiceError(
            Reason.PARAMETER_INVALID, parameter="sequence_id", value=repr(sequence_id), expected=expected
        )
    return sequence_id
