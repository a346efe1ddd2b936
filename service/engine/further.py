"""What a graph reads beside frames, lengths and states: what callers send, what is constant, what the server tells.

Shapes: B rows, T frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.core.tensors import DTYPES, decode
from soloist.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from service.engine.beside import Position
    from service.engine.row import Row
    from soloist.v1.model_pb2 import ControlSpec, Signature

Feed = dict[str, "NDArray[Any]"]


class FurtherInputs:
    """Those of one signature; false where it has none."""

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
        """Give what is constant, for every row of `frames` frames: [B, T, …] or [B, …]."""
        return {
            name: np.broadcast_to(value, ((rows, frames) if per_frame else (rows,)) + value.shape)
            for name, (value, per_frame) in self._constants.items()
        }

    def of(self, rows: Sequence[Row], frames: int) -> Feed:
        """Put together what rows bring, padded to `frames`: [B, T, …] or [B, …]. All bring the same inputs."""
        feed = self.constant(len(rows), frames)
        for name in rows[0].beside.inputs:
            feed[name] = np.stack([row.beside.inputs[name] for row in rows])
        for name, first in rows[0].beside.frame_inputs.items():
            feed[name] = np.zeros((len(rows), frames, *first.shape[1:]), first.dtype)
            for index, row in enumerate(rows):
                feed[name][index, : len(row.frames)] = row.beside.frame_inputs[name]
        for control in self._controls:
            values = [value_of(control, row.beside.position) for row in rows]
            feed[control.tensor.name] = np.array(values, DTYPES[control.tensor.data_type])
        return feed


def value_of(control: ControlSpec, position: Position) -> float | int:
    """Give what a control input holds for a row at `position`.

    Raises:
        ServiceError: PARAMETER_INVALID, where the model reads a number and the sequence has a name.

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
    limits = np.iinfo(DTYPES[control.tensor.data_type])
    if isinstance(sequence_id, str) or not limits.min <= sequence_id <= limits.max:
        expected = f"an integer of at most {limits.max}: the model reads it"
        raise ServiceError(
            Reason.PARAMETER_INVALID, parameter="sequence_id", value=repr(sequence_id), expected=expected
        )
    return sequence_id
