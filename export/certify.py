"""`soloist certify`: a file is tried for as long as wanted, the verdicts are printed, and may be stored beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
from google.protobuf import json_format
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from export.certification import certify_model, read_model
from export.errors import ExportError
from service.certificate import Budget, is_bitwise
from service.engine.model_file import ModelFileError, read_model_file
from service.loading import certificate_check
from service.loading.manifest import METADATA_KEY
from soloist.json_text import json_text
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.certificate_pb2 import Certificate
from soloist.v1.model_pb2 import Model

_DONE, _DIFFERS, _UNREADABLE = 0, 1, 2
_DIMENSIONS = {pb.DIMENSION_BATCH: "batch", pb.DIMENSION_PADDING: "padding", pb.DIMENSION_CHUNKING: "chunking"}


def run(path: Path, *, minutes: float, config: Path | None, seed: int, as_json: bool, write: bool) -> int:
    """Certify a file; returns 0 when every verdict is bitwise, 1 when one isn't, 2 when it can't be read or run.

    With `write` the certificate is laid beside the file, for the server.
    """
    try:
        model = read_model(path, config)
        if write:
            refuse_to_store(path)
        certificate = _certify(path, model, 60 * minutes, seed)
        if write:
            store(path, model, certificate)
    except ExportError as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _UNREADABLE
    if as_json:
        sys.stdout.write(_as_json(certificate) + "\n")
    else:
        _print(path, certificate)
    return _DONE if is_bitwise(certificate, *(v.dimension for v in certificate.verdicts)) else _DIFFERS


def _as_json(certificate: pb.Certificate) -> str:
    fields = json_format.MessageToDict(certificate, preserving_proto_field_name=True)
    for verdict in fields.get("verdicts", []):
        if isinstance(verdict.get("max_abs_difference"), str):  # protobuf's word for what is not finite
            verdict["max_abs_difference"] = None
    return json_text(fields, indent=2)


def _certify(path: Path, model: Model, seconds: float, seed: int) -> pb.Certificate:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[cases]} cases"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task(f"certifying {path.name}", total=None, cases=0)
        return certify_model(
            path, model, Budget(seconds=seconds), seed=seed, progress=lambda cases: display.update(task, cases=cases)
        )


def _print(path: Path, certificate: pb.Certificate) -> None:
    fingerprint = certificate.fingerprint
    title = f"{path}\n{fingerprint.cpu_model}, ONNX Runtime {fingerprint.runtime_version}, seed {certificate.seed}"
    table = Table("independent of", "verdict", "cases", "smallest failing case", "first node", title=title)
    for verdict in certificate.verdicts:
        failing = verdict.failing_case if verdict.HasField("failing_case") else None
        node = f"{failing.node} ({failing.operator})" if failing is not None and failing.node else ""
        case = sentence(failing) if failing is not None else ""
        table.add_row(_DIMENSIONS[verdict.dimension], word(verdict), str(verdict.cases), case, node)
    Console().print(table)


def word(verdict: pb.DimensionVerdict) -> str:
    """Return a verdict in words."""
    match verdict.verdict:
        case pb.VERDICT_BITWISE:
            return "bitwise"
        case pb.VERDICT_ULP:
            return f"at most {verdict.max_ulp} ULP"
        case _:
            return f"none (differs by {verdict.max_abs_difference:.3g})"


def sentence(case: pb.FailingCase) -> str:
    """Return a case in words."""
    parts = [f"{case.tensor} of {case.length} frames"]
    if case.batch_size > 1:
        parts.append(f"in a batch of {case.batch_size}, neighbours ×{case.neighbour_scale:g}")
    if case.padding:
        parts.append(f"padded to {case.padded_length} with {case.padding}")
    if case.chunks:
        parts.append(f"cut into {'+'.join(map(str, case.chunks))}")
    if case.misaligned:
        parts.append("misaligned")
    return ", ".join(parts)


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
