"""Owns what every graph goes through on its way into a repository: lint, certificate, manifest inside, written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from export import repository
from export.certification import certify_model
from export.config_pbtxt import config_pbtxt
from export.errors import ExportError
from export.lint import lint_model
from export.manifest import METADATA_KEY, to_json
from models.data import Split
from service.certificate import Budget
from soloist.v1.model_pb2 import Model

# Enough to try every form that is known to break and some hundred random ones. The number ends it, so that the same
# checkpoint gives the same file; the time is there for models that are very large.
CERTIFICATE_BUDGET = Budget(seconds=120, max_cases=400)


def refuse_by_lint(graph: onnx.ModelProto) -> None:
    """Raise ExportError, with every finding, for a graph that is not in the form that keeps bits."""
    if findings := lint_model(graph):
        faults = "; ".join(f"{finding.op} ({finding.node}): {finding.why}" for finding in findings)
        raise ExportError(f"the graph is not in the form that keeps bits: {faults}")


def certify(graph: onnx.ModelProto, described: Model, train: Split) -> None:
    """Certify a graph whose manifest is `described`, also with training sequences; the certificate is set there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(graph, path)
        certificate = certify_model(path, described, CERTIFICATE_BUDGET, samples=train.sequences)
    described.certificate.CopyFrom(certificate)


def write(folder: Path, graph: onnx.ModelProto, described: Model) -> None:
    """Put the manifest into the graph and both into their place. Raises ExportError when the place is taken."""
    graph.metadata_props.add(key=METADATA_KEY, value=to_json(described))
    content = graph.SerializeToString(deterministic=True)
    repository.write(folder, described.name, described.version, content, config_pbtxt(described))
