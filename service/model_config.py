"""What config.pbtxt says of a model without a manifest: the format of servers of the Open Inference Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format

from service.manifest import ManifestError, check
from soloist.oip import model_config_pb2 as oip
from soloist.v1 import tensor_pb2
from soloist.v1.model_pb2 import Model, Signature, StateSpec
from soloist.v1.tensor_pb2 import TensorSpec

if TYPE_CHECKING:
    import onnxruntime as ort

FILE = "config.pbtxt"
# A parameter of ours: the input [batch] that holds the valid frames of each row. There is no such field.
LENGTH_INPUT = "length_input"
_DATA_TYPES = {
    oip.TYPE_BOOL: tensor_pb2.DATA_TYPE_BOOL,
    oip.TYPE_UINT8: tensor_pb2.DATA_TYPE_UINT8,
    oip.TYPE_UINT16: tensor_pb2.DATA_TYPE_UINT16,
    oip.TYPE_UINT32: tensor_pb2.DATA_TYPE_UINT32,
    oip.TYPE_UINT64: tensor_pb2.DATA_TYPE_UINT64,
    oip.TYPE_INT8: tensor_pb2.DATA_TYPE_INT8,
    oip.TYPE_INT16: tensor_pb2.DATA_TYPE_INT16,
    oip.TYPE_INT32: tensor_pb2.DATA_TYPE_INT32,
    oip.TYPE_INT64: tensor_pb2.DATA_TYPE_INT64,
    oip.TYPE_FP16: tensor_pb2.DATA_TYPE_FLOAT16,
    oip.TYPE_FP32: tensor_pb2.DATA_TYPE_FLOAT32,
    oip.TYPE_FP64: tensor_pb2.DATA_TYPE_FLOAT64,
}


def describe(config: Path, session: ort.InferenceSession) -> Model:
    """Make a manifest from a configuration; it holds no labels, no accuracy and no certificate.

    Raises:
        ManifestError: the file can't be read, asks for what isn't supported, or doesn't describe this graph.

    """
    model = _model(_parse(config))
    check(model, session)
    return model


def _parse(path: Path) -> oip.ModelConfig:
    try:
        return text_format.Parse(path.read_text(), oip.ModelConfig())
    except OSError as error:
        raise ManifestError(f"{path.name}: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path.name} can't be parsed: {error}") from error


def _model(config: oip.ModelConfig) -> Model:
    if config.max_batch_size < 1:
        raise ManifestError(f"{FILE}: max_batch_size has to be at least 1, batch is the first axis")
    if config.sequence_batching.control_input:
        raise ManifestError(f"{FILE}: control inputs are not supported")
    states = list(config.sequence_batching.state)
    state_inputs = {state.input_name for state in states}
    state_outputs = {state.output_name for state in states}
    length_name = config.parameters[LENGTH_INPUT].string_value if LENGTH_INPUT in config.parameters else ""
    inputs = [each for each in config.input if each.name not in state_inputs and each.name != length_name]
    outputs = [each for each in config.output if each.name not in state_outputs]
    if len(inputs) != 1 or len(outputs) != 1:
        raise ManifestError(f"{FILE}: one input and one output beside the states, not {len(inputs)} and {len(outputs)}")
    signature = Signature(
        frames=_spec(inputs[0].name, inputs[0].data_type, inputs[0].dims),
        outputs=_spec(outputs[0].name, outputs[0].data_type, outputs[0].dims),
        states=[_state(state) for state in states],
    )
    if length_name:
        length = next((each for each in config.input if each.name == length_name), None)
        if length is None:
            raise ManifestError(f"{FILE}: parameter {LENGTH_INPUT} names {length_name!r}, which is no input")
        signature.length.CopyFrom(TensorSpec(name=length.name, data_type=_type(length.data_type), shape=[-1]))
    return Model(name=config.name, causal=bool(states), signature=signature)


def _spec(name: str, data_type: oip.DataType.ValueType, dims: object) -> TensorSpec:
    shape = [-1, *(int(size) for size in dims)]  # type: ignore[attr-defined]  # a repeated field
    if len(shape) < 2 or shape[1] != -1:
        raise ManifestError(f"{FILE}: the first of dims of {name!r} is time, and has to be -1")
    return TensorSpec(name=name, data_type=_type(data_type), shape=shape)


def _state(state: oip.ModelSequenceBatching.State) -> StateSpec:
    if any(initial.WhichOneof("state_data") == "data_file" for initial in state.initial_state):
        raise ManifestError(f"{FILE}: state {state.input_name!r} begins from a file, which is not supported")
    return StateSpec(
        name=state.input_name,
        input=state.input_name,
        output=state.output_name,
        data_type=_type(state.data_type),
        shape=state.dims,
    )


def _type(data_type: oip.DataType.ValueType) -> tensor_pb2.DataType.ValueType:
    if data_type not in _DATA_TYPES:
        raise ManifestError(f"{FILE}: type {oip.DataType.Name(data_type)} is not supported")
    return _DATA_TYPES[data_type]
