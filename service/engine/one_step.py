"""The one-step file of a model with a Scan: the same graph for chunks of one frame, without the cost of the Scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.engine.graph import Graph
from service.engine.model_file import ModelLimits
from service.engine.session import open_session, read_companion

if TYPE_CHECKING:
    from pathlib import Path

    from service.engine.onnx_runtime import ort
    from soloist.v1.model_pb2 import Model

FILE = "one_step.onnx"


def open_graph(
    path: Path,
    model: Model,
    session: ort.InferenceSession | None = None,
    limits: ModelLimits = ModelLimits(),  # noqa: B008  # it is frozen
) -> Graph:
    """Open a model file whose manifest is `model`, and its one-step file if the manifest names one.

    `session` is that of `path` if it is open already.

    Raises:
        ModelFileError: a file is missing or no model, or the one-step file belongs to another model.

    """
    opened = session or open_session(path, limits)
    one_step = None
    if model.one_step_sha256:
        one_step = open_session(read_companion(path.with_name(FILE), model.one_step_sha256, limits), limits)
    return Graph(opened, model.signature, one_step=one_step)
