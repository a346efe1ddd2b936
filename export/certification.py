"""Certifying a file: the server's own proof, and for what fails, the node at which it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from export.divergence import first_diverging_node
from export.errors import ExportError
from service.certificate import Budget, certify
from service.certificate.cases import Case
from service.certificate.scope import why_unproved
from service.certificate.sequence_generator import SequenceGenerator
from service.engine.model_file import ModelFileError
from service.engine.one_step import open_graph
from service.engine.session import open_session
from service.loading.manifest import ManifestError, has_manifest, read_manifest
from service.loading.model_config import CONFIG_FILE, describe
from soloist.v1.certificate_pb2 import Certificate
from soloist.v1.model_pb2 import Model

Samples = Sequence[npt.NDArray[Any]]


def certify_model(
    path: Path,
    model: Model,
    budget: Budget,
    *,
    seed: int = 0,
    samples: Samples = (),
    progress: Callable[[int], None] | None = None,
) -> Certificate:
    """Certify a file whose manifest is `model`. Raises ExportError when it can't be run."""
    if cause := why_unproved(model):
        raise ExportError(f"{path}: bits can't be proved: {cause}")
    try:
        graph = open_graph(path, model)
        certificate = certify(graph, model, budget, seed=seed, samples=samples, progress=progress)
        for verdict in certificate.verdicts:
            # Between runs of a graph there is no node that could be named.
            if verdict.HasField("failing_case") and not model.signature.frames_per_run:
                case = Case.from_message(verdict.failing_case)
                found = first_diverging_node(path, model.signature, SequenceGenerator(model.signature, samples), case)
                verdict.failing_case.node, verdict.failing_case.operator = found or ("", "")
    except ModelFileError as error:
        raise ExportError(f"{path}: {error}") from error
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        raise ExportError(f"{path}: a run failed: {error}") from error
    return certificate


def read_model(path: Path, config: Path | None = None) -> Model:
    """Return what a file is: from `config`, its manifest, config.pbtxt beside it or one folder up, or the graph.

    Raises ExportError when nothing says truthfully what it is.
    """
    try:
        session = open_session(path)
        if config is None and has_manifest(session):
            return read_manifest(session)
        beside = (folder / CONFIG_FILE for folder in (path.parent, path.parent.parent))
        found = config or next((file for file in beside if file.is_file()), None)
        return describe(found, session).model
    except (ModelFileError, ManifestError) as error:
        raise ExportError(f"{path}: {error}") from error
