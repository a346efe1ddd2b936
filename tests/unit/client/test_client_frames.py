"""What callers hand in becomes what the model takes, without losing anything in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from soloist import InvalidInputError
from soloist.client.frames import needs_signature, to_array, to_model_frames, to_tensor
from soloist.v1 import model_pb2, tensor_pb2


def signature(data_type: tensor_pb2.DataType.ValueType, *, text_encoding: str = "") -> model_pb2.Signature:
    spec = tensor_pb2.TensorSpec(name="frames", data_type=data_type, shape=[-1, -1])
    return model_pb2.Signature(frames=spec, text_encoding=text_encoding)


FLOAT32 = signature(tensor_pb2.DATA_TYPE_FLOAT32)
INT64 = signature(tensor_pb2.DATA_TYPE_INT64)
TEXT = signature(tensor_pb2.DATA_TYPE_INT64, text_encoding="utf8")


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
def test_a_tensor_travels_unchanged(dtype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    again = to_array(to_tensor(array))
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)


def test_order_of_bytes_and_axes_does_not_matter() -> None:
    array = np.array([[1.5, 2], [3, 4]], ">f4").T
    tensor = to_tensor(array)
    assert tensor.data == np.array([[1.5, 3], [2, 4]], "<f4").tobytes()
    assert list(tensor.shape) == [2, 2]


def test_special_values_keep_their_bits() -> None:
    array = np.array([-0.0, np.inf, np.nan, 1e-45], np.float32)
    assert to_array(to_tensor(array)).tobytes() == array.tobytes()


def test_only_numbers_have_a_wire_type() -> None:
    with pytest.raises(InvalidInputError) as caught:
        to_tensor(np.array([1j]))
    assert caught.value.reason == "NOT_NUMERIC"


@pytest.mark.parametrize("frames", [np.zeros(2), np.zeros(2, np.int64), [[1.0]], "a", b"a"])
def test_only_float32_can_go_without_a_look_at_the_model(frames: Any) -> None:
    assert needs_signature(frames)
    assert not needs_signature(np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int16, np.uint16, np.int64, np.bool_])
def test_what_fits_exactly_is_converted(dtype: Any) -> None:
    array = to_model_frames(np.array([[0, 1]], dtype), FLOAT32)
    assert array.dtype == np.float32
    assert array.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("frames", "model"),
    [
        (np.zeros((2, 2)), FLOAT32),
        (np.array([[2**24 + 1]]), FLOAT32),
        (np.array([2**63], np.uint64), INT64),
        (np.array([1.0], np.float32), INT64),
        ([1.5], INT64),
        (np.array([2**63 - 1]), FLOAT32),
    ],
)
def test_what_would_change_is_refused(frames: Any, model: model_pb2.Signature) -> None:
    with pytest.raises(InvalidInputError) as caught:
        to_model_frames(frames, model)
    assert caught.value.reason == "LOSSY_CONVERSION"


def test_plain_numbers_become_the_nearest_of_the_model() -> None:
    array = to_model_frames([[0.1, 2.0], [3.0, 4.0]], FLOAT32)
    assert array.dtype == np.float32
    assert array[0, 0] == np.float32(0.1)
    assert to_model_frames([7, 8], INT64).tolist() == [7, 8]


@pytest.mark.parametrize("frames", ["aé", "aé".encode()])
def test_text_is_a_token_a_byte(frames: str | bytes) -> None:
    array = to_model_frames(frames, TEXT)
    assert array.dtype == np.int64
    assert array.tolist() == [97, 195, 169]


@pytest.mark.parametrize(
    ("frames", "model", "reason"),
    [
        ("text", FLOAT32, "TEXT_NOT_ACCEPTED"),
        ("text", None, "TEXT_NOT_ACCEPTED"),
        ("\ud800", TEXT, "TEXT_NOT_ACCEPTED"),
        ([[1.0], [1.0, 2.0]], FLOAT32, "NOT_NUMERIC"),
        ([["a"]], FLOAT32, "NOT_NUMERIC"),
        (np.array([1j]), FLOAT32, "NOT_NUMERIC"),
    ],
)
def test_what_is_no_numbers_is_refused(frames: Any, model: model_pb2.Signature | None, reason: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        to_model_frames(frames, model)
    assert caught.value.reason == reason


def test_no_frames_are_for_the_server_to_refuse() -> None:
    assert to_model_frames(np.zeros(0, np.uint64), INT64).dtype == np.int64


def test_without_a_signature_frames_stay_as_they_are() -> None:
    assert to_model_frames(np.zeros((1, 2)), None).dtype == np.float64


class _Column:
    """An array of another library, as a data frame or a tensor is."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[np.float64]:
        return np.array([[1 / 3]])


def test_an_array_of_another_library_keeps_every_value_too() -> None:
    with pytest.raises(InvalidInputError) as caught:
        to_model_frames(_Column(), FLOAT32)
    assert caught.value.reason == "LOSSY_CONVERSION"


@pytest.mark.parametrize("number", [1e39, -1e300, 2**200])
def test_a_number_too_large_for_the_model_does_not_become_infinite(number: float) -> None:
    with pytest.raises(InvalidInputError):
        to_model_frames([[number, 1.0]], FLOAT32)
    assert to_model_frames([[float("inf"), -float("inf"), 1e-300]], FLOAT32).tolist() == [[np.inf, -np.inf, 0.0]]


MASKED = np.ma.MaskedArray([[1.0, 2.0]], [[False, True]], np.float32)


@pytest.mark.parametrize(
    "frames",
    [MASKED, MASKED.astype(np.float64), [MASKED[0], MASKED[0]], [[1.0, np.ma.masked]], (MASKED[0],), np.ma.masked],
)
def test_a_masked_element_is_not_sent_as_what_is_below_the_mask(frames: Any) -> None:
    for model in (FLOAT32, INT64, None):
        with pytest.raises(InvalidInputError) as caught:
            to_model_frames(frames, model)
        assert caught.value.reason == "MASKED_ELEMENTS"
        assert "filled" in caught.value.message


class _Variable:
    """An array of another library that gives masked ones, as those of netCDF files do."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return MASKED


def test_a_mask_of_another_library_is_seen_too() -> None:
    with pytest.raises(InvalidInputError) as caught:
        to_model_frames(_Variable(), FLOAT32)
    assert caught.value.reason == "MASKED_ELEMENTS"


def test_an_array_that_could_have_a_mask_and_has_none_is_sent() -> None:
    array = to_model_frames(np.ma.MaskedArray([[1.0, 2.0]], dtype=np.float32), FLOAT32)
    assert (type(array), array.tolist()) == (np.ndarray, [[1.0, 2.0]])
