"""What every graph goes through on its way into a repository: lint, certificate, manifest inside, written."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import onnx

from export import repository
from export.certification import certify_model
from export.config_pbtxt import config_pbtxt
from export.errors import ExportError
from export.lint import lint_model
from export.manifest import METADATA_KEY, to_json
from export.one_step import has_scan, one_step
from models.data import Split
from service.certificate import Budget
from service.engine.one_step import FILE as ONE_STEP
from service.engine.probe import FILE as PROBE
from soloist.v1.model_pb2 import Model

# Enough to try every form that is known to break and some hundred random ones. The number ends it, so that the same
# checkpoint gives the same file; the time is there for models that are very large.
CERTIFICATE_BUDGET = Budget(seconds=120, max_cases=400)


def refuse_by_lint(graph: onnx.ModelProto) -> None:
    """Raise ExportError, with every finding, for a graph that is not in the form that keeps bits."""
    if findings := lint_model(graph):
        faults = "; ".join(f"{finding.op} ({finding.node}): {finding.why}" for finding in findings)
        raise ExportError(f"the graph is not in the form that keeps bits: {faults}")


def one_step_file(graph: onnx.ModelProto, described: Model) -> bytes | None:
    """Return the file for chunks of one frame, and set its sum in the manifest; None where it would save nothing.

    A control is no better for being fast.
    """
    if described.control or not described.causal or not has_scan(graph):
        return None
    content: bytes = one_step(graph).SerializeToString(deterministic=True)
    described.one_step_sha256 = hashlib.sha256(content).hexdigest()
    return content


def certify(graph: onnx.ModelProto, described: Model, train: Split, one_step_content: bytes | None = None) -> None:
    """Certify a graph whose manifest is `described`, also with training sequences; the certificate is set there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(graph, path)
        if one_step_content is not None:
            path.with_name(ONE_STEP).write_bytes(one_step_content)
        certificate = certify_model(path, described, CERTIFICATE_BUDGET, samples=train.sequences)
    described.certificate.CopyFrom(certificate)


def write(
    folder: Path, graph: onnx.ModelProto, described: Model, *, one_step: bytes | None = None, probe: bytes | None = None
) -> None:
    """Put the manifest into the graph, and it and what belongs beside it into their place.

    Raises ExportError when the place is taken.
    """
    graph.metadata_props.add(key=METADATA_KEY, value=to_json(described))
    files = {"model.onnx": graph.SerializeToString(deterministic=True), ONE_STEP: one_step, PROBE: probe}
    present = {name: content for name, content in files.items() if content is not None}
    repository.write(folder, described.name, described.version, present, config_pbtxt(described))
