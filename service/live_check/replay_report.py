"""Owns `soloist replay`: a capsule and its model are loaded, and what came of the replay is told."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from service.certificate import fingerprint_here
from service.engine.model_file import ModelFileError
from service.engine.servable import LoadPolicy, Servable, load_servable
from service.live_check.capsule import Capsule, CapsuleError, Header, read
from service.live_check.replay import Replay, replay
from service.manifest import ManifestError
from service.model_config import FILE as CONFIG_FILE
from service.model_config import MODEL_FILE, model_filename, parse
from soloist.json_text import json_text
from soloist.v1.certificate_pb2 import Fingerprint

if TYPE_CHECKING:
    from service.certificate.difference import Difference

_REPRODUCED, _NOT_REPRODUCED, _UNREADABLE = 0, 1, 2


def run(path: Path, *, repository: Path | None, model: Path | None, seed: int, as_json: bool) -> int:
    """Replay a capsule; returns 0 when the difference appears again, 1 when not, 2 when something can't be read.

    The model is file `model`, else that of the capsule's name and version in `repository`.
    """
    try:
        capsule = read(path)
        file = model or _in_repository(repository or Path(), capsule.header)
        servable = _load(file, capsule.header)
        made = _replay(capsule, servable, seed)
        told = _fields(capsule, made, servable)
    except (CapsuleError, ModelFileError, ManifestError) as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _UNREADABLE
    sys.stdout.write((json_text(told) if as_json else "\n".join(_lines(told))) + "\n")
    return _REPRODUCED if made.is_reproduced else _NOT_REPRODUCED


def _in_repository(repository: Path, header: Header) -> Path:
    model = repository / header.model
    config = model / CONFIG_FILE
    name = model_filename(parse(config)) if config.is_file() else MODEL_FILE
    return model / str(header.version) / name


def _load(file: Path, header: Header) -> Servable:
    # No proof: what is asked here is only whether one answer differs.
    policy = LoadPolicy(batch_uncertified=True, certify_seconds=0.0)
    return load_servable(file, policy, name=header.model, version=header.version)


def _replay(capsule: Capsule, servable: Servable, seed: int) -> Replay:
    try:
        return replay(capsule, servable, seed=seed)
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        raise CapsuleError(f"the capsule can't be run on this model: {error}") from error


def _fields(capsule: Capsule, made: Replay, servable: Servable) -> dict[str, Any]:
    header = capsule.header
    return {
        "reproduced": made.is_reproduced,
        "time": header.time,
        "model": header.model,
        "version": header.version,
        "frame_count": len(capsule.row.frames),
        "batch_sizes": [len(run.lengths) for run in header.runs],
        "same_model": servable.sha256 == header.model_sha256,
        "same_fingerprint": _fingerprint(header) == fingerprint_here(),
        "then": _difference(made.then),
        "alone_then_and_now": _difference(made.alone),
        "trials": [
            {"mate_scale": t.mate_scale, "tries": t.tries, "differing": t.differing, "worst": _difference(t.worst)}
            for t in made.trials
        ],
    }


def _fingerprint(header: Header) -> Fingerprint:
    try:
        return json_format.ParseDict(header.fingerprint, Fingerprint(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise CapsuleError(f"its fingerprint can't be parsed: {error}") from error


def _difference(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    # JSON knows no infinity.
    absolute = found.absolute if math.isfinite(found.absolute) else None
    return {"tensor": found.tensor, "ulp": found.ulp, "max_abs_difference": absolute}


def _lines(told: dict[str, Any]) -> Iterator[str]:
    sizes = ", ".join(map(str, told["batch_sizes"]))
    yield f"{told['model']} version {told['version']}, {told['frame_count']} frames in runs of {sizes}, {told['time']}"
    yield f"model file  {'the same' if told['same_model'] else 'another than then'}"
    yield f"machine     {'the same fingerprint' if told['same_fingerprint'] else 'another fingerprint than then'}"
    yield f"then        {_said(told['then'])}"
    yield f"alone       {_said(told['alone_then_and_now'])} between then and now"
    for trial in told["trials"]:
        mates = "sliced" if trial["mate_scale"] is None else f"mates ×{trial['mate_scale']:g}"
        yield f"{mates:<12}differed {trial['differing']} of {trial['tries']} times: {_said(trial['worst'])}"
    yield "reproduced" if told["reproduced"] else "not reproduced"


def _said(difference: dict[str, Any] | None) -> str:
    if difference is None:
        return "no difference"
    absolute = difference["max_abs_difference"]
    return f"{difference['tensor']} by {difference['ulp']} ULP" + ("" if absolute is None else f" ({absolute:.3g})")
