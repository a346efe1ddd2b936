"""The conversion of wire tensors to arrays and back; frames are checked against what the model takes.

Shapes: T frames, C features of a frame.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_AXES, MAX_EMPTY_ELEMENTS, at_most, is_hollow
from soloist.data_types import data_type_of, dtype_of, name_of
from soloist.v1.tensor_pb2 import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from soloist.v1.model_pb2 import Signature

# So many numbers are worked through sooner one by one than as an array.
_FEW = 64


class FramesForm:
    """What the frames of a model look like: what `decode_frames` needs of a signature, read from it once."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.has_inputs = bool(signature.inputs)
        spec = signature.frames
        self._data_type, self._dtype = spec.data_type, dtype_of(spec.data_type)
        self._frame_shape = tuple(spec.shape)[2:]
        self._frame_bytes = math.prod(self._frame_shape) * self._dtype.itemsize
        # Sizes that vary, windows, tokens and BOOL take the longer way.
        self._is_plain = min(self._frame_shape, default=1) > 0 and not (
            signature.frames_per_run > 1 or signature.token_count or self._dtype.kind == "b"
        )

    def decode(self, tensor: Tensor, *, allow_non_finite: bool) -> NDArray[Any]:
        """Return what `decode_frames` returns.

        Raises:
            ServiceError: the frames are not what the model takes.

        """
        sizes, data = tensor.shape, tensor.data
        if self._is_plain and len(sizes) == len(self._frame_shape) + 1 and tensor.data_type == self._data_type:
            shape = tuple(sizes)
            if shape[1:] == self._frame_shape and 0 < len(data) == shape[0] * self._frame_bytes:
                numbers: NDArray[Any] = np.frombuffer(data, self._dtype)
                if allow_non_finite or self._dtype.kind != "f" or _are_finite(numbers):
                    return numbers.reshape(shape)
        # All refusals come from there.
        return decode_frames(tensor, self.signature, allow_non_finite=allow_non_finite)


def _are_finite(numbers: NDArray[Any]) -> bool:
    """Return whether all are finite. Large doubles may seem not to be; the longer way looks at them again."""
    if len(numbers) <= _FEW:
        return math.isfinite(sum(numbers.tolist()))
    return bool(np.logical_and.reduce(np.isfinite(numbers)))


def decode_frames(tensor: Tensor, signature: Signature, *, allow_non_finite: bool) -> NDArray[Any]:
    """Return the frames of one sequence or chunk: [T, C] numbers or [T] tokens, read-only, T ≥ 1.

    A third-party model may take frames of any shape.

    Raises:
        ServiceError: they are not what the model takes.

    """
    spec = signature.frames
    shape = _checked_shape(tensor, list(spec.shape)[1:])
    check_frame_count(shape[0], signature)
    if tensor.data_type != spec.data_type:
        raise ServiceError(
            Reason.DATA_TYPE_MISMATCH, data_type=name_of(tensor.data_type), expected=name_of(spec.data_type)
        )
    dtype = dtype_of(spec.data_type)
    expected_bytes = math.prod(shape) * dtype.itemsize
    if len(tensor.data) != expected_bytes:
        raise ServiceError(Reason.BYTE_LENGTH_MISMATCH, byte_length=len(tensor.data), expected=expected_bytes)
    frames = np.frombuffer(tensor.data, dtype).reshape(shape)
    check_truths(spec.name, frames)
    check_values(frames, signature, allow_non_finite=allow_non_finite)
    return frames


def check_frame_count(frames: int, signature: Signature) -> None:
    """Refuse a number of frames that isn't a multiple of a graph's fixed window.

    Raises:
        ServiceError: FRAME_COUNT_MISMATCH.

    """
    if signature.frames_per_run > 1 and frames % signature.frames_per_run:
        raise ServiceError(Reason.FRAME_COUNT_MISMATCH, frame_count=frames, frames_per_run=signature.frames_per_run)


def check_values(frames: NDArray[Any], signature: Signature, *, allow_non_finite: bool) -> None:
    """Refuse frames, time first, with numbers that the model can't take.

    Raises:
        ServiceError: TOKEN_OUT_OF_RANGE or NON_FINITE_INPUT.

    """
    if signature.token_count:
        _check_tokens(frames, signature.token_count)
    elif not allow_non_finite and frames.dtype.kind == "f" and not np.isfinite(frames).all():
        bad_T = ~np.isfinite(frames).all(axis=tuple(range(1, frames.ndim)))
        raise ServiceError(Reason.NON_FINITE_INPUT, frame=int(bad_T.argmax()))


def largest_truth(array: NDArray[Any]) -> int:
    """Return the largest byte of an array of BOOL, 0 for other types.

    Operators take one other than 0 and 1 for different numbers, by where in a tensor it is.
    """
    return int(array.view(np.uint8).max(initial=0)) if array.dtype.kind == "b" else 0


def check_truths(name: str, array: NDArray[Any]) -> None:
    """Refuse a byte of BOOL other than 0 and 1.

    Raises:
        ServiceError: INPUT_VALUE_OUT_OF_RANGE.

    """
    if (largest := largest_truth(array)) > 1:
        raise ServiceError(Reason.INPUT_VALUE_OUT_OF_RANGE, input=name, value=largest, minimum=0, maximum=1)


def decode(tensor: Tensor) -> NDArray[Any]:
    """Return the array of a tensor that has been checked, read-only."""
    return np.frombuffer(tensor.data, dtype_of(tensor.data_type)).reshape(tuple(tensor.shape))


def encode(array: NDArray[Any]) -> Tensor:
    """Return the tensor of an array whose type the wire knows."""
    return Tensor(data_type=data_type_of(array.dtype), shape=array.shape, data=array.tobytes())


def encode_into(tensor: Tensor, array: NDArray[Any]) -> None:
    """Write an array whose type the wire knows into a tensor that is empty."""
    tensor.data_type = data_type_of(array.dtype)
    tensor.shape.extend(array.shape)
    tensor.data = array.tobytes()


def _checked_shape(tensor: Tensor, expected: list[int]) -> tuple[int, ...]:
    at_most(MAX_AXES, tensor.shape, "frames.shape")
    shape = tuple(tensor.shape)
    wanted = f"[{', '.join(['time', *map(str, expected[1:])])}]"
    if len(shape) != len(expected) or min(shape) < 0:
        raise ServiceError(Reason.SHAPE_MISMATCH, shape=list(shape), expected=wanted)
    if any(wanted not in (-1, size) for size, wanted in zip(shape[1:], expected[1:], strict=True)):
        if len(shape) == 2:
            raise ServiceError(Reason.FEATURE_COUNT_MISMATCH, feature_count=shape[1], expected=expected[1])
        raise ServiceError(Reason.SHAPE_MISMATCH, shape=list(shape), expected=wanted)
    if shape[0] == 0:
        raise ServiceError(Reason.EMPTY_SEQUENCE)
    if is_hollow(shape):
        expected_sizes = f"{wanted}, and at most {MAX_EMPTY_ELEMENTS} as the product of what isn't 0"
        raise ServiceError(Reason.SHAPE_MISMATCH, shape=list(shape), expected=expected_sizes)
    return shape


def _check_tokens(tokens: NDArray[Any], token_count: int) -> None:
    bad = (tokens < 0) | (tokens >= token_count)
    if bad.any():
        first = np.unravel_index(bad.argmax(), bad.shape)
        raise ServiceError(
            Reason.TOKEN_OUT_OF_RANGE, frame=int(first[0]), token=int(tokens[first]), max_token=token_count - 1
        )
