"""Tensors in JSON and back: no bit is lost, and nothing that isn't a number becomes one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from service.api.oip import message_json, rest_infer
from service.api.oip.json_contents import PIECE, to_json, to_raw
from service.api.oip.rest_infer import Form
from service.api.routes import Body
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from soloist.data_types import ELEMENT_TYPES, ElementType
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip import model_config_pb2 as config

NAMES = {"model": "m", "version": "2"}


def values(element: ElementType) -> Any:
    """Numbers of a type, with its smallest and largest."""
    dtype, rng = element.dtype, np.random.default_rng(5)
    if dtype.kind == "b":
        return rng.integers(0, 2, 40).astype(bool)
    found = np.frombuffer(rng.bytes(40 * dtype.itemsize), dtype)
    if dtype.kind == "f":
        tiny = np.finfo(dtype)
        found = np.concatenate([found[np.isfinite(found)], np.array([tiny.max, -tiny.max, tiny.tiny, -0.0], dtype)])
        return np.concatenate([found, np.array([tiny.smallest_subnormal], dtype)])
    limits = np.iinfo(dtype)
    return np.concatenate([found, np.array([limits.min, limits.max], dtype)])


@pytest.mark.parametrize("element", ELEMENT_TYPES, ids=lambda element: element.oip_word)
def test_every_type_goes_through_json_without_losing_a_bit(element: ElementType) -> None:
    array = values(element)
    output = pb.ModelInferResponse.InferOutputTensor(datatype=element.oip_word, shape=array.shape)
    text = to_json(output, array.tobytes())
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=element.oip_word, shape=array.shape)
    given = {"inputs": [{"name": "x", "datatype": element.oip_word, "shape": array.shape, "data": json.loads(text)}]}
    request, _ = rest_infer.read(NAMES, Body(text=json.dumps(given).encode()))
    assert request.raw_input_contents[0] == array.tobytes() == to_raw(tensor, json.loads(text))
    assert (request.model_name, request.model_version) == ("m", "2")


def test_long_outputs_are_written_whole() -> None:
    array = np.arange(3 * PIECE + 5, dtype=np.int32)
    output = pb.ModelInferResponse.InferOutputTensor(datatype="INT32", shape=array.shape)
    assert json.loads(to_json(output, array.tobytes())) == array.tolist()
    assert to_json(output, b"") == b"[]"


@pytest.mark.parametrize("form", [Form(named={}, otherwise=False), Form(named={"\0" * 200: True}, otherwise=False)])
@pytest.mark.parametrize("element", ELEMENT_TYPES, ids=lambda element: element.oip_word)
def test_no_response_takes_more_than_what_is_reserved_for_it(element: ElementType, form: Form) -> None:
    response = pb.ModelInferResponse(model_name="m", model_version="1", id="\1" * 256)
    for index, value in enumerate([-(2**63), 0, 2**63 - 1]):
        response.parameters[str(index)].int64_param = value
    response.parameters["\2" * 256].string_param = "\3" * 256
    response.parameters["d"].double_param = -2.2250738585072014e-308
    response.parameters["b"].bool_param = False
    response.parameters["none"].SetInParent()
    longest = max(values(element).tolist(), key=lambda value: len(str(value)))
    for name, array in {"a": values(element), "\0" * 200: np.full(40_000, longest, element.dtype), "": []}.items():
        response.outputs.add(name=name, datatype=element.oip_word, shape=[len(array)] * 2)
        response.raw_output_contents.append(np.asarray(array, element.dtype).tobytes())
    answer = rest_infer.write(response, form)
    assert len(answer.text) + sum(map(len, answer.binary)) <= rest_infer.most_bytes_of(response, form)


@pytest.mark.parametrize(("word", "dtype"), [("FP16", np.float16), ("FP32", np.float32), ("FP64", np.float64)])
def test_a_float_takes_no_more_text_than_is_reserved_for_it(word: str, dtype: Any) -> None:
    bits = {"FP16": np.arange(2**16, dtype=np.uint16)}
    rng = np.random.default_rng(7)
    found = bits.get(word, rng.integers(0, 256, 2**18, np.uint8)).view(dtype)
    small = (rng.uniform(1e-5, 1e-4, 2**15) * -1).astype(dtype)  # written without an exponent, with most zeros
    for array in (found, small):
        output = pb.ModelInferResponse.InferOutputTensor(datatype=word, shape=array.shape)
        assert max(map(len, to_json(output, array.tobytes())[1:-1].split(b","))) <= 24
    assert len(to_json(output, small.tobytes())) > 23 * len(small)  # so little is reserved in vain


def test_what_is_not_finite_is_null() -> None:
    output = pb.ModelInferResponse.InferOutputTensor(datatype="FP32", shape=[3])
    array = np.array([np.nan, 1, -np.inf], np.float32)
    assert json.loads(to_json(output, array.tobytes())) == [None, 1.0, None]


@pytest.mark.parametrize(
    ("datatype", "data", "reason"),
    [
        ("INT8", [1, 200], Reason.INPUT_VALUE_OUT_OF_RANGE),
        ("UINT64", [1, -1], Reason.INPUT_VALUE_OUT_OF_RANGE),
        ("UINT64", [2**63, -1], Reason.INPUT_TYPE_MISMATCH),
        ("UINT64", [2**63, 0.5], Reason.INPUT_TYPE_MISMATCH),
        ("INT64", [2**63, 1], Reason.INPUT_TYPE_MISMATCH),
        ("FP16", [1, 70000], Reason.INPUT_VALUE_OUT_OF_RANGE),
        ("FP32", [1, 3.4028236e38], Reason.INPUT_VALUE_OUT_OF_RANGE),
        ("FP16", [1, 65520], Reason.INPUT_VALUE_OUT_OF_RANGE),
        ("BOOL", [0, 1], Reason.INPUT_TYPE_MISMATCH),
        ("BOOL", [True, 1], Reason.INPUT_TYPE_MISMATCH),
        ("FP32", [True, 2], Reason.INPUT_TYPE_MISMATCH),
        ("FP32", [True, 0.5], Reason.INPUT_TYPE_MISMATCH),
        ("INT64", [False, 2], Reason.INPUT_TYPE_MISMATCH),
        ("UINT64", [2**63, True], Reason.INPUT_TYPE_MISMATCH),
        ("FP32", [{}, 1], Reason.INPUT_TYPE_MISMATCH),
        ("FP32", {"0": 1}, Reason.JSON_INVALID),
        ("FP32", None, Reason.JSON_INVALID),
    ],
)
def test_what_is_no_number_of_the_type_is_refused(datatype: str, data: object, reason: ErrorKind) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=[2])
    with pytest.raises(ServiceError) as refused:
        to_raw(tensor, data)
    assert refused.value.reason in {reason, Reason.INPUT_VALUE_OUT_OF_RANGE}


def test_truths_in_nested_lists_are_no_numbers_either() -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[2, 2])
    with pytest.raises(ServiceError) as refused:
        to_raw(tensor, [[1, 2], [3, True]])
    assert refused.value.reason is Reason.INPUT_TYPE_MISMATCH


@pytest.mark.parametrize(("datatype", "dtype"), [("FP32", np.float32), ("FP16", np.float16)])
def test_a_number_counts_as_the_nearest_of_its_type(datatype: str, dtype: Any) -> None:
    # As languages write the largest FP32 that write the shortest text; as a double it is larger. 65519 is an FP16.
    largest = {"FP32": 3.4028235e38, "FP16": 65519}[datatype]
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=[2])
    found = np.frombuffer(to_raw(tensor, [largest, -largest]), dtype)
    assert found.tolist() == [np.finfo(dtype).max, np.finfo(dtype).min]


@pytest.mark.parametrize("shape", [(0,), (1, 0, 2), (2, 0), (1, 2, 0, 3), (0, 3)])
def test_lists_end_at_an_axis_without_elements(shape: tuple[int, ...]) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype="INT32", shape=shape)
    assert to_raw(tensor, np.zeros(shape, np.int32).tolist()) == b""
    with pytest.raises(ServiceError) as refused:
        to_raw(tensor, [[[[]], [[]]]])
    assert refused.value.reason is Reason.INPUT_SHAPE_MISMATCH


def test_null_stands_for_a_field_that_is_left_out() -> None:
    tensor = {"name": "x", "datatype": "INT8", "shape": [2], "data": None, "parameters": {"binary_data_size": 2}}
    text = json.dumps({"id": None, "parameters": None, "outputs": None, "inputs": [tensor]}).encode()
    request, _ = rest_infer.read(NAMES, Body(text=text, binary=b"ab"))
    assert request.id == ""
    assert list(request.raw_input_contents) == [b"ab"]


def test_parameters_keep_their_types() -> None:
    parameters = {"a": True, "b": -1, "c": 2**64 - 1, "d": 0.5, "e": "text", "binary_data_output": True}
    request, form = rest_infer.read(NAMES, Body(text=json.dumps({"parameters": parameters}).encode()))
    del parameters["binary_data_output"]
    found = {
        name: getattr(each, each.WhichOneof("parameter_choice") or "") for name, each in request.parameters.items()
    }
    assert found == parameters
    assert form == Form(named={}, otherwise=True)


def test_a_message_has_numbers_of_64_bits_names_and_defaults() -> None:
    found = message_json.plain(
        config.ModelConfig(
            name="m",
            input=[config.ModelInput(name="x", data_type=config.TYPE_FP32, dims=[-1, 2**40])],
            parameters={"key": config.ModelParameter(string_value="value")},
        )
    )
    assert found["input"][0]["dims"] == [-1, 2**40]
    assert found["input"][0]["data_type"] == "TYPE_FP32"
    assert found["parameters"] == {"key": {"string_value": "value"}}
    assert found["max_batch_size"] == 0
    assert "sequence_batching" not in found
