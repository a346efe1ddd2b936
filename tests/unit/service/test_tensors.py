from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from service.core.errors import Reason, ServiceError
from service.core.tensors import FramesForm, decode_frames, encode
from soloist.data_types import ELEMENT_TYPES, dtype_of
from soloist.v1.model_pb2 import Signature
from soloist.v1.tensor_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT32,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_INT64,
    Tensor,
    TensorSpec,
)

NUMBERS = Signature(frames=TensorSpec(name="frames", data_type=DATA_TYPE_FLOAT32, shape=[-1, -1, 3]))
TOKENS = Signature(frames=TensorSpec(name="frames", data_type=DATA_TYPE_INT64, shape=[-1, -1]), token_count=5)

tensors = st.builds(
    Tensor,
    data_type=st.sampled_from([DATA_TYPE_FLOAT32, DATA_TYPE_INT64, 0, 77]),
    shape=st.lists(st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 2**62]), max_size=4),
    data=st.integers(0, 6).flatmap(lambda elements: st.binary(min_size=4 * elements, max_size=4 * elements)),
)


def test_tokens_may_have_several_numbers_a_frame() -> None:
    signature = Signature(frames=TensorSpec(name="x", data_type=DATA_TYPE_INT64, shape=[-1, -1, 2]), token_count=5)
    with pytest.raises(ServiceError) as caught:
        decode_frames(encode(np.array([[0, 4], [1, 6], [7, 0]], np.int64)), signature, allow_non_finite=False)
    assert caught.value.facts == {"frame": 1, "token": 6, "max_token": 4}


@given(st.sampled_from(ELEMENT_TYPES).flatmap(lambda row: npst.arrays(row.dtype, npst.array_shapes(min_side=0))))
def test_what_is_packed_bears_type_shape_and_bytes(array: Any) -> None:
    tensor = encode(array)
    assert dtype_of(tensor.data_type) == array.dtype
    assert tuple(tensor.shape) == array.shape
    assert tensor.data == array.tobytes()


@given(npst.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(3))))
def test_numbers_come_out_as_they_went_in_bit_for_bit(frames: Any) -> None:
    decoded = decode_frames(encode(frames), NUMBERS, allow_non_finite=True)
    assert decoded.tobytes() == frames.tobytes()
    assert decoded.shape == frames.shape
    assert not decoded.flags.writeable


@given(tensors, st.sampled_from([NUMBERS, TOKENS]), st.booleans())
def test_whatever_comes_is_frames_or_a_refusal(tensor: Tensor, signature: Signature, allow_non_finite: bool) -> None:
    try:
        frames = decode_frames(tensor, signature, allow_non_finite=allow_non_finite)
    except ServiceError as refusal:
        reported = (refusal.reason.code, "?" in str(refusal))
    else:
        assert len(frames) >= 1
        assert frames.dtype == dtype_of(signature.frames.data_type)
        assert frames.ndim == len(signature.frames.shape) - 1
        return
    assert reported == ("INVALID_ARGUMENT", False)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_frame_that_is_not_finite_is_named(bad: float) -> None:
    frames = np.zeros((6, 3), np.float32)
    frames[2, 1] = frames[4, 0] = bad
    with pytest.raises(ServiceError) as caught:
        decode_frames(encode(frames), NUMBERS, allow_non_finite=False)
    assert caught.value.reason is Reason.NON_FINITE_INPUT
    assert caught.value.facts == {"frame": 2}


def test_the_largest_and_the_smallest_finite_numbers_are_finite() -> None:
    info = np.finfo(np.float32)
    frames = np.array([[info.max, info.min, info.smallest_subnormal]], np.float32)
    assert decode_frames(encode(frames), NUMBERS, allow_non_finite=False).tolist() == frames.tolist()


@given(st.lists(st.integers(-3, 8), min_size=1, max_size=8))
def test_the_first_token_out_of_range_is_named(tokens: list[int]) -> None:
    bad = [(frame, token) for frame, token in enumerate(tokens) if not 0 <= token < TOKENS.token_count]
    tensor = encode(np.array(tokens, np.int64))
    if not bad:
        assert decode_frames(tensor, TOKENS, allow_non_finite=False).tolist() == tokens
        return
    with pytest.raises(ServiceError) as caught:
        decode_frames(tensor, TOKENS, allow_non_finite=False)
    assert caught.value.reason is Reason.TOKEN_OUT_OF_RANGE
    assert caught.value.facts == {"frame": bad[0][0], "token": bad[0][1], "max_token": 4}


def test_a_byte_that_is_neither_true_nor_false() -> None:
    spec = TensorSpec(name="frames", data_type=DATA_TYPE_BOOL, shape=[-1, -1, 2])
    form = FramesForm(Signature(frames=spec))
    good = Tensor(data_type=DATA_TYPE_BOOL, shape=[2, 2], data=b"\0\1\1\0")
    assert form.decode(good, allow_non_finite=False).tolist() == [[False, True], [True, False]]
    bad = Tensor(data_type=DATA_TYPE_BOOL, shape=[2, 2], data=b"\0\1\2\0")
    with pytest.raises(ServiceError) as caught:
        form.decode(bad, allow_non_finite=False)
    assert caught.value.reason is Reason.INPUT_VALUE_OUT_OF_RANGE
    assert caught.value.facts == {"input": "frames", "value": 2, "minimum": 0, "maximum": 1}


@pytest.mark.parametrize("data_type", [DATA_TYPE_FLOAT32, DATA_TYPE_FLOAT64])
@given(st.integers(1, 30), st.sampled_from([math.nan, math.inf, -math.inf, 0.0]), st.data())
def test_the_short_way_takes_the_same_frames(data_type: Any, count: int, odd: float, data: st.DataObject) -> None:
    spec = TensorSpec(name="frames", data_type=data_type, shape=[-1, -1, 3])
    dtype: Any = dtype_of(data_type)
    largest = float(np.finfo(dtype).max)  # the sum of a few is infinite as a double
    frames: Any = np.full((count, 3), largest, dtype)
    frames[data.draw(st.integers(0, count - 1)), 1] = odd
    form = FramesForm(Signature(frames=spec))
    if odd == 0:
        assert form.decode(encode(frames), allow_non_finite=False).tobytes() == frames.tobytes()
    else:
        with pytest.raises(ServiceError) as caught:
            form.decode(encode(frames), allow_non_finite=False)
        assert caught.value.reason is Reason.NON_FINITE_INPUT
