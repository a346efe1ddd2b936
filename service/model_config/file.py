"""The file itself: parsed, and refused where it asks for what this server doesn't do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import text_format

from service.manifest import ManifestError
from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from pathlib import Path

FILE = "config.pbtxt"
_PLATFORMS = ("", "onnxruntime_onnx")
_BACKENDS = ("", "onnxruntime")


def read(path: Path) -> oip.ModelConfig:
    """Parse a configuration.

    Raises:
        ManifestError: it can't be read, or asks for what isn't supported.

    """
    try:
        config = text_format.Parse(path.read_text(), oip.ModelConfig())
    except OSError as error:
        raise ManifestError(f"{path.name}: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path.name} can't be parsed: {error}") from error
    if cause := _unsupported(config):
        raise ManifestError(f"{FILE}: {cause}")
    return config


def is_file_name(told: str) -> bool:
    """Tell whether a name stays in the folder where it is looked up."""
    return bool(told) and not told.startswith(".") and "/" not in told and "\\" not in told


def _unsupported(config: oip.ModelConfig) -> str:
    causes = {
        f"platform {config.platform!r} is not supported": config.platform not in _PLATFORMS,
        f"backend {config.backend!r} is not supported": config.backend not in _BACKENDS,
        "an ensemble is no graph": config.HasField("ensemble_scheduling"),
        "decoupled answers are not supported": config.model_transaction_policy.decoupled,
        "iterative sequences are not supported": config.sequence_batching.iterative_sequence,
        "batch_input and batch_output are not supported": bool(config.batch_input or config.batch_output),
        "operators from libraries are not supported": bool(config.model_operations.op_library_filename),
        "max_batch_size is below 0": config.max_batch_size < 0,
    }
    for tensor in config.input:
        causes[f"input {tensor.name!r} allows ragged batches, which are not supported"] = tensor.allow_ragged_batch
        causes[f"input {tensor.name!r} is a shape tensor, which is not supported"] = tensor.is_shape_tensor
    return next((cause for cause, holds in causes.items() if holds), "")
