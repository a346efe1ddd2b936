"""The decoding of a row of our own API: frames and auxiliary inputs, checked against what the model takes.

Shapes: T frames.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_AXES, MAX_TENSORS, at_most, is_hollow
from service.core.tensors import check_truths, decode
from service.engine.row import NO_AUXILIARY_INPUTS, WHOLE, AuxiliaryInputs, Position, Row
from soloist.data_types import dtype_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from service.core.tensors import FramesForm
    from service.engine.row import Arrays, States
    from soloist.v1.model_pb2 import InputSpec
    from soloist.v1.sequence_inference_pb2 import Chunk, PredictRequest
    from soloist.v1.tensor_pb2 import NamedTensor, Tensor


def decode_row(
    sent: PredictRequest | Chunk,
    form: FramesForm,
    states: States,
    *,
    allow_non_finite: bool,
    position: Position = WHOLE,
) -> Row:
    """Decode frames of a form and their auxiliary inputs; `states` are those before the frames.

    Raises:
        ServiceError: the frames or an input are not what the model takes.

    """
    sent_inputs = sent.inputs
    if sent_inputs:
        at_most(MAX_TENSORS, sent_inputs, "inputs")
    frames = form.decode(sent.frames, allow_non_finite=allow_non_finite)
    if not (sent_inputs or form.has_inputs):
        return Row(
            frames=frames,
            states=states,
            auxiliary=NO_AUXILIARY_INPUTS if position is WHOLE else AuxiliaryInputs(position=position),
        )
    specs = {each.tensor.name: each for each in form.signature.inputs}
    arrays = _decode_all(sent_inputs, specs, len(frames))
    auxiliary = sort(arrays, specs, position, allow_non_finite=allow_non_finite)
    return Row(frames=frames, states=states, auxiliary=auxiliary)


def _decode_all(tensors: Iterable[NamedTensor], specs: Mapping[str, InputSpec], frames: int) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for named in tensors:
        if named.name not in specs or named.name in arrays:
            raise ServiceError(Reason.INPUT_UNKNOWN, input=named.name)
        arrays[named.name] = _decode(named.tensor, specs[named.name], frames)
    return arrays


def sort(
    arrays: Arrays, specs: Mapping[str, InputSpec], position: Position, *, allow_non_finite: bool
) -> AuxiliaryInputs:
    """Split the arrays of one row into those for the whole call and those for each frame, without constants.

    Raises:
        ServiceError: one is missing, holds NaN or infinity, or differs from its constant.

    """
    of_call: dict[str, NDArray[Any]] = {}
    of_frames: dict[str, NDArray[Any]] = {}
    for name, spec in specs.items():
        array = arrays.get(name)
        if array is None:
            if not spec.optional and not spec.HasField("constant"):
                raise ServiceError(Reason.INPUT_MISSING, input=name)
        elif spec.HasField("constant"):
            constant = decode(spec.constant)
            if not (array == constant).all():
                raise ServiceError(Reason.INPUT_CONSTANT, input=name, value=constant.tolist())
        else:
            if not allow_non_finite and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ServiceError(Reason.INPUT_NON_FINITE, input=name)
            (of_frames if spec.per_frame else of_call)[name] = array
    if position is WHOLE and not of_call and not of_frames:
        return NO_AUXILIARY_INPUTS
    return AuxiliaryInputs(inputs=of_call, frame_inputs=of_frames, position=position)


def _decode(tensor: Tensor, spec: InputSpec, frames: int) -> NDArray[Any]:
    declared, name = spec.tensor, spec.tensor.name
    if tensor.data_type != declared.data_type:
        raise ServiceError(
            Reason.INPUT_TYPE_MISMATCH,
            input=name,
            data_type=name_of(tensor.data_type),
            expected=name_of(declared.data_type),
        )
    expected = [frames, *declared.shape[2:]] if spec.per_frame else list(declared.shape[1:])
    at_most(MAX_AXES, tensor.shape, "inputs.shape")
    shape = list(tensor.shape)
    fits = len(shape) == len(expected) and all(
        size >= 0 and wanted in (-1, size) for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits or is_hollow(shape):
        raise ServiceError(Reason.INPUT_SHAPE_MISMATCH, input=name, shape=shape, expected=expected)
    wanted_bytes = math.prod(shape) * dtype_of(declared.data_type).itemsize
    if len(tensor.data) != wanted_bytes:
        raise ServiceError(
            Reason.INPUT_SIZE_MISMATCH, input=name, size=len(tensor.data), unit="bytes", expected=wanted_bytes
        )
    array = decode(tensor)
    check_truths(name, array)
    return array
