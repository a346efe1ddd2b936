"""The second file of a model whose recurrence is a Scan: the same for chunks of one frame, without the Scan's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.engine.graph import Graph
from service.engine.session import open_session, read_companion

if TYPE_CHECKING:
    from pathlib import Path

    from service.engine.onnx_runtime import ort
    from soloist.v1.model_pb2 import Model

FILE = "one_step.onnx"


def open_graph(path: Path, model: Model, session: ort.InferenceSession | None = None) -> Graph:
    """Open a model file whose manifest is `model`, and the one-step file beside it where the manifest tells of one.

    `session` is that of `path` where it is open already.

    Raises:
        ModelFileError: a file is missing, no model, or the one-step file isn't the one that belongs to this model.

    """
    opened = session or open_session(path)
    content = read_companion(path.with_name(FILE), model.one_step_sha256) if model.one_step_sha256 else None
    one_step = open_session(content) if content is not None else None
    return Graph(opened, model.signature, one_step=one_step)
