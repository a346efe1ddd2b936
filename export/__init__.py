"""Owns the way from a checkpoint to one self-describing ONNX file: `export_checkpoint`."""

import service.onnx_runtime  # noqa: F401  # before torch's exporter, or a tool of ONNX Runtime, can import it
from export.checkpoint import export_checkpoint
from export.errors import ExportError

__all__ = ["ExportError", "export_checkpoint"]
