"""The config.pbtxt of an export: by it, other servers of this repository layout load the same files.

Soloist itself reads the manifest only. In this format shapes leave the batch axis out. A tensor of shape [batch] is
declared as one element that is reshaped to none; states cannot be reshaped, so every state has another axis.
"""

from __future__ import annotations

from typing import Any

from service.loading.model_config import MAX_BATCH_SIZE, config_type_of, text_of
from soloist.data_types import dtype_of
from soloist.oip import model_config_pb2 as oip
from soloist.v1.model_pb2 import Model, StateSpec
from soloist.v1.tensor_pb2 import TensorSpec

_COMMENT = """\
Written by `soloist export` for servers that read this format; Soloist reads the manifest inside model.onnx.
State is kept by the server, zero at the start of a sequence; a sequence's chunks run one after the other.
"""


def config_pbtxt(model: Model) -> str:
    """Return the text of a model's config.pbtxt."""
    signature = model.signature
    config = oip.ModelConfig(
        name=model.name,
        backend="onnxruntime",
        platform="onnxruntime_onnx",
        max_batch_size=MAX_BATCH_SIZE,
        input=[oip.ModelInput(**_tensor(spec)) for spec in (signature.frames, signature.length)],
        output=[oip.ModelOutput(**_tensor(signature.outputs))],
    )
    if signature.states:
        config.sequence_batching.oldest.max_candidate_sequences = MAX_BATCH_SIZE
        config.sequence_batching.state.extend(_state(state) for state in signature.states)
    return text_of(config, _COMMENT)


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    dims = list(spec.shape[1:])
    reshape = {} if dims else {"reshape": oip.ModelTensorReshape()}
    return {"name": spec.name, "data_type": config_type_of(dtype_of(spec.data_type)), "dims": dims or [1], **reshape}


def _state(spec: StateSpec) -> oip.ModelSequenceBatching.State:
    data_type = config_type_of(dtype_of(spec.data_type))
    zero = oip.ModelSequenceBatching.InitialState(name="zero", data_type=data_type, dims=spec.shape, zero_data=True)
    return oip.ModelSequenceBatching.State(
        input_name=spec.input, output_name=spec.output, data_type=data_type, dims=spec.shape, initial_state=[zero]
    )
