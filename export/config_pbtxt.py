"""config.pbtxt: the description by which other servers of this repository layout load the same files.

Soloist itself reads the manifest only. In this format shapes leave the batch axis out. A tensor of shape [batch] is
declared as one element that is reshaped to none; states cannot be reshaped, so every state has an axis beside batch.
"""

from __future__ import annotations

from collections.abc import Iterable

from soloist.v1.model_pb2 import Model, StateSpec
from soloist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT64, TensorSpec

MAX_BATCH_SIZE = 64  # sequences in one run; the graph itself has no limit
_TYPES = {DATA_TYPE_FLOAT32: "TYPE_FP32", DATA_TYPE_INT64: "TYPE_INT64"}
_HEAD = """\
# Written by `soloist export` for servers that read this format; Soloist reads the manifest inside model.onnx.
name: "{name}"
backend: "onnxruntime"
platform: "onnxruntime_onnx"
max_batch_size: {batch}
"""
_TENSOR = """\
{side} {{
  name: "{name}"
  data_type: {type}
  dims: [ {dims} ]{reshape}
}}
"""
_STATES = """\
# State is kept by the server, zero at the start of a sequence; a sequence's chunks run one after the other.
sequence_batching {{
  oldest {{
    max_candidate_sequences: {batch}
  }}
{states}}}
"""
_STATE = """\
  state {{
    input_name: "{input}"
    output_name: "{output}"
    data_type: {type}
    dims: [ {dims} ]
    initial_state {{
      name: "zero"
      data_type: {type}
      dims: [ {dims} ]
      zero_data: true
    }}
  }}
"""


def config_pbtxt(model: Model) -> str:
    """Return the text of a model's config.pbtxt."""
    signature = model.signature
    text = _HEAD.format(name=model.name, batch=MAX_BATCH_SIZE)
    text += _tensor("input", signature.frames) + _tensor("input", signature.length)
    text += _tensor("output", signature.outputs)
    if signature.states:
        states = "".join(_state(state) for state in signature.states)
        text += _STATES.format(batch=MAX_BATCH_SIZE, states=states)
    return text


def _tensor(side: str, spec: TensorSpec) -> str:
    dims = spec.shape[1:]
    reshape = "" if dims else "\n  reshape: { shape: [ ] }"
    return _TENSOR.format(
        side=side, name=spec.name, type=_TYPES[spec.data_type], dims=_joined(dims or [1]), reshape=reshape
    )


def _state(spec: StateSpec) -> str:
    return _STATE.format(input=spec.input, output=spec.output, type=_TYPES[spec.data_type], dims=_joined(spec.shape))


def _joined(dims: Iterable[int]) -> str:
    return ", ".join(str(size) for size in dims)
