"""The table of element types against the protocols, numpy and ONNX Runtime themselves."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from service.engine.onnx_runtime import ort
from soloist import data_types
from soloist.data_types import ELEMENT_TYPES, ElementType
from soloist.oip import grpc_service_pb2, model_config_pb2
from soloist.v1 import tensor_pb2
from soloist.v1.tensor_pb2 import DataType

every_type = pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.oip_word)


def test_every_number_of_our_protocol_has_a_row() -> None:
    assert {row.data_type for row in ELEMENT_TYPES} == set(DataType.values()) - {tensor_pb2.DATA_TYPE_UNSPECIFIED}


def test_every_number_of_config_pbtxt_has_a_row_but_text_and_bfloat16() -> None:
    without = {"TYPE_INVALID", "TYPE_STRING", "TYPE_BF16"}
    assert {row.config_type for row in ELEMENT_TYPES} == set(model_config_pb2.DataType.keys()) - without


@every_type
def test_the_name_on_the_wire_is_numpys(row: ElementType) -> None:
    assert data_types.name_of(row.data_type) == row.dtype.name


@every_type
def test_typed_contents_hold_such_elements(row: ElementType) -> None:
    ones = np.ones(2, row.dtype).tolist()
    if row.contents_field is None:
        assert row.oip_word == "FP16"
    else:
        contents = grpc_service_pb2.InferTensorContents(**{row.contents_field: ones})
        assert list(getattr(contents, row.contents_field)) == ones


@every_type
def test_onnx_runtime_calls_such_tensors_so(row: ElementType) -> None:
    kind = helper.np_dtype_to_tensor_dtype(row.dtype)
    before, behind = (helper.make_tensor_value_info(name, kind, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [before], [behind])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == row.onnx_type


@every_type
def test_it_is_found_by_each_of_its_names(row: ElementType) -> None:
    assert data_types.BY_DATA_TYPE[row.data_type] is row
    assert data_types.BY_DTYPE[row.dtype] is row
    assert data_types.BY_OIP_WORD[row.oip_word] is row
    assert data_types.BY_CONFIG_TYPE[row.config_type] is row
    assert data_types.BY_ONNX_TYPE[row.onnx_type] is row
    assert data_types.dtype_of(row.data_type) == row.dtype
    for dtype in (row.dtype, row.dtype.newbyteorder(">"), row.dtype.newbyteorder("=")):
        assert data_types.data_type_of(dtype) == row.data_type
        assert data_types.oip_word_of(dtype) == row.oip_word


def test_elements_travel_little_endian() -> None:
    assert {row.dtype.newbyteorder("<") == row.dtype for row in ELEMENT_TYPES} == {True}


def test_others_are_not_known() -> None:
    for dtype in (np.dtype(object), np.dtype("S4"), np.dtype(np.complex64), np.dtype("M8[s]")):
        with pytest.raises(KeyError):
            data_types.data_type_of(dtype)
    with pytest.raises(KeyError):
        data_types.dtype_of(tensor_pb2.DATA_TYPE_UNSPECIFIED)
    assert data_types.name_of(99) == "99"
