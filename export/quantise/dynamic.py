"""Owns dynamic int8, the control: ONNX Runtime's own tool, whose scales come from whatever is in the call."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import onnx
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
            quantize_dynamic(model, path, weight_type=QuantType.QInt8, extra_options={"EnableSubgraph": True})
            return onnx.load(path)
    finally:
        logging.disable(disabled)
