"""Owns laying a certificate beside a model made elsewhere, and refusing where it would tell of more than was read."""

from __future__ import annotations

from pathlib import Path

import onnx

from export.errors import ExportError
from service.engine.model_file import ModelFileError, read_model_file
from service.loading import certificate_check
from service.loading.manifest import METADATA_KEY
from soloist.v1.certificate_pb2 import Certificate
from soloist.v1.model_pb2 import Model


def refuse_to_store(path: Path) -> None:
    """Raise ExportError for a file that carries its certificate inside."""
    model = onnx.load(path, load_external_data=False)
    if any(each.key == METADATA_KEY for each in model.metadata_props):
        raise ExportError(f"{path}: it has a manifest, which carries its certificate")


def store(path: Path, model: Model, certificate: Certificate) -> None:
    """Write it beside `path`. Raises ExportError when that fails."""
    try:
        certificate_check.write(path, read_model_file(path).sha256, model, certificate)
    except ModelFileError as error:
        raise ExportError(f"{path}: {error}") from error
    except OSError as error:
        raise ExportError(f"{path.with_name(certificate_check.FILE)}: {error.strerror}") from error
