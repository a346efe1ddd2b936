from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.api.oip.contents import decode, encode, is_raw
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from soloist.data_types import BY_OIP_WORD
from soloist.oip.grpc_service_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse

TYPED = sorted(word for word, row in BY_OIP_WORD.items() if row.contents_field)


def extremes(word: str) -> Any:
    """Give [2, 2] numbers of a type, its least and its largest among them."""
    dtype = BY_OIP_WORD[word].dtype
    if dtype.kind == "b":
        return np.array([[True, False], [False, True]])
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return np.array([[limits.min, limits.max], [0, 1]], dtype)


def request_of(word: str, array: Any, *, raw: bool, **changes: Any) -> ModelInferRequest:
    """Pack one input "x"; `changes` replace fields of the tensor, so that it lies."""
    request = ModelInferRequest()
    tensor = {"name": "x", "datatype": word, "shape": array.shape}
    if raw:
        request.raw_input_contents.append(array.tobytes())
    else:
        tensor["contents"] = InferTensorContents(**{str(BY_OIP_WORD[word].contents_field): array.ravel().tolist()})
    request.inputs.add(**(tensor | changes))
    return request


@pytest.mark.parametrize("word", sorted(BY_OIP_WORD))
def test_raw_tensors_of_every_type_come_and_go(word: str) -> None:
    array = extremes(word)
    decoded = decode(request_of(word, array, raw=True))["x"]
    assert (decoded.dtype, decoded.tobytes()) == (BY_OIP_WORD[word].dtype, array.tobytes())
    response = ModelInferResponse()
    encode(response, {"y": decoded}, raw=True)
    assert (response.outputs[0].datatype, list(response.outputs[0].shape)) == (word, [2, 2])
    assert list(response.raw_output_contents) == [array.tobytes()]
    assert not response.outputs[0].HasField("contents")


@pytest.mark.parametrize("word", TYPED)
def test_typed_tensors_of_every_type_come_and_go(word: str) -> None:
    array = extremes(word)
    request = request_of(word, array, raw=False)
    decoded = decode(request)["x"]
    assert (decoded.dtype, decoded.tobytes()) == (BY_OIP_WORD[word].dtype, array.tobytes())
    response = ModelInferResponse()
    encode(response, {"y": decoded}, raw=False)
    assert response.outputs[0].contents == request.inputs[0].contents
    assert not response.raw_output_contents


@pytest.mark.parametrize(("word", "value"), [("INT8", 128), ("INT16", -32769), ("UINT8", 256), ("UINT16", 65536)])
def test_a_typed_element_that_its_type_cannot_hold(word: str, value: int) -> None:
    request = request_of(word, np.array([1, value], np.int64), raw=False)
    assert _reason(request) is Reason.INPUT_VALUE_OUT_OF_RANGE


@pytest.mark.parametrize("byte", [2, 255])
def test_a_byte_that_is_neither_true_nor_false(byte: int) -> None:
    request = request_of("BOOL", np.array([[1, 0], [byte, 1]], np.uint8), raw=True)
    with pytest.raises(ServiceError) as refused:
        decode(request)
    assert refused.value.reason is Reason.INPUT_VALUE_OUT_OF_RANGE
    assert refused.value.facts == {"input": "x", "value": byte, "minimum": 0, "maximum": 1}


ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"datatype": "BYTES"}, Reason.INPUT_TYPE_MISMATCH),
        ({"datatype": ""}, Reason.INPUT_TYPE_MISMATCH),
        ({"datatype": "fp32"}, Reason.INPUT_TYPE_MISMATCH),
        ({"shape": [2, -3]}, Reason.INPUT_SHAPE_MISMATCH),
        ({"shape": [2**63 - 1, 0]}, Reason.INPUT_SHAPE_MISMATCH),
        ({"shape": [0, 2**13, 2**12]}, Reason.INPUT_SHAPE_MISMATCH),
        ({"shape": [1] * 33}, Reason.TOO_MANY_ENTRIES),
        ({"shape": [2, 4]}, Reason.INPUT_SIZE_MISMATCH),
        ({"shape": [2**62, 2**62]}, Reason.INPUT_SIZE_MISMATCH),
        ({"datatype": "FP64"}, Reason.INPUT_SIZE_MISMATCH),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_a_tensor_that_lies(changes: dict[str, Any], reason: ErrorKind, raw: bool) -> None:
    assert _reason(request_of("FP32", ONES, raw=raw, **changes)) is reason


def test_a_tensor_in_the_field_of_another_type_and_in_two_fields() -> None:
    contents = InferTensorContents(fp64_contents=[1.0] * 6)
    assert _reason(request_of("FP32", ONES, raw=False, contents=contents)) is Reason.INPUT_SIZE_MISMATCH
    contents = InferTensorContents(fp32_contents=[1.0] * 6, int_contents=[1])
    assert _reason(request_of("FP32", ONES, raw=False, contents=contents)) is Reason.INPUT_SIZE_MISMATCH


def test_half_precision_has_no_typed_form() -> None:
    request = request_of("FP32", ONES, raw=False, datatype="FP16")
    assert _reason(request) is Reason.CONTENTS_RAW_ONLY


def test_raw_and_typed_do_not_mix() -> None:
    request = request_of("FP32", ONES, raw=False)
    request.raw_input_contents.append(ONES.tobytes())
    assert _reason(request) is Reason.CONTENTS_MISMATCH
    request = request_of("FP32", ONES, raw=True)
    request.raw_input_contents.append(ONES.tobytes())
    assert _reason(request) is Reason.CONTENTS_MISMATCH


def test_an_input_that_is_given_twice() -> None:
    request = request_of("FP32", ONES, raw=False)
    request.inputs.append(request.inputs[0])
    assert _reason(request) is Reason.INPUT_UNKNOWN


def test_the_form_of_a_request() -> None:
    assert is_raw(request_of("FP32", ONES, raw=True))
    assert not is_raw(request_of("FP32", ONES, raw=False))


def _reason(request: ModelInferRequest) -> ErrorKind:
    with pytest.raises(ServiceError) as caught:
        decode(request)
    assert "?" not in str(caught.value)
    return caught.value.reason
