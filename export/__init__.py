"""The way from a checkpoint to one self-describing ONNX file: `export_checkpoint`."""

import models.torch_cache  # noqa: F401  # before torch's compiler is imported
import service.engine.onnx_runtime  # noqa: F401  # before torch's exporter, or a tool of ONNX Runtime, can import it
from export.checkpoint import export_checkpoint
from export.errors import ExportError

__all__ = ["ExportError", "export_checkpoint"]
