"""Owns the way from a checkpoint to one self-describing ONNX file: `export_checkpoint`."""

from export.checkpoint import export_checkpoint
from export.errors import ExportError

__all__ = ["ExportError", "export_checkpoint"]
