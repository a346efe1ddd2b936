"""Dynamic int8, the control: ONNX Runtime's own tool, whose scales come from whatever is in the call."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from models.data import Split
from soloist.v1.model_pb2 import Signature


def dynamic(model: onnx.ModelProto, _signature: Signature, _train: Split) -> onnx.ModelProto:
    """Return what people get who quantise a model the common way; it breaks the promise, and is there to show it."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a preparation that breaks the forms
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "dynamic.onnx"
            quantize_dynamic(
                model,
                path,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_masks(model.graph),
                extra_options={"EnableSubgraph": True},
            )
            return onnx.load(path)
    finally:
        logging.disable(disabled)


def _masks(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the nodes that look up a table with infinities: no scale fits one."""
    masks = {t.name for t in graph.initializer if not np.isfinite(numpy_helper.to_array(t)).all()}
    return [node.name for node in graph.node if node.op_type == "Gather" and node.input[0] in masks]
