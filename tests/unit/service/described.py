"""Owns the way from a model and the text of its configuration to what the server takes them for."""

from __future__ import annotations

from pathlib import Path

from service.engine.onnx_runtime import ort
from service.loading.model_config import Description, describe
from tests.third_party import ThirdPartyModel


def described(model: ThirdPartyModel, folder: Path, text: str) -> Description:
    """Describe a model with `text` for its config.pbtxt; without one if the text is empty."""
    config = folder / "config.pbtxt"
    config.write_text(text)
    session = ort.InferenceSession(model.model().SerializeToString(), providers=["CPUExecutionProvider"])
    return describe(config if text else None, session)
