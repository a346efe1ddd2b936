"""The command `soloist replay`: it loads a repro bundle and its model, and reports the result of the replay."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from service.certificate import fingerprint_here
from service.engine.model_file import ModelFileError
from service.loading.manifest import ManifestError
from service.loading.model_config import CONFIG_FILE, MODEL_FILE, model_filename, parse
from service.loading.servable import LoadPolicy, Servable, load_servable
from service.observers.live_check.replay import Replay, replay
from service.observers.live_check.repro_bundle import Header, ReproBundle, ReproBundleError, read
from soloist.json_text import json_text
from soloist.v1.certificate_pb2 import Fingerprint

if TYPE_CHECKING:
    from service.certificate.difference import Difference

_REPRODUCED, _NOT_REPRODUCED, _UNREADABLE = 0, 1, 2


def run(path: Path, *, repository: Path | None, model: Path | None, seed: int, as_json: bool) -> int:
    """Replay a repro bundle; returns 0 if the difference appears again, 1 if not, 2 if something can't be read.

    The model is the file `model`, or that of the repro bundle's name and version in `repository`.
    """
    try:
        bundle = read(path)
        file = model or _in_repository(repository or Path(), bundle.header)
        servable = _load(file, bundle.header)
        made = _replay(bundle, servable, seed)
        report = _fields(bundle, made, servable)
    except (ReproBundleError, ModelFileError, ManifestError) as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _UNREADABLE
    sys.stdout.write((json_text(report) if as_json else "\n".join(_lines(report))) + "\n")
    return _REPRODUCED if made.is_reproduced else _NOT_REPRODUCED


def _in_repository(repository: Path, header: Header) -> Path:
    model = repository / header.model
    config = model / CONFIG_FILE
    name = model_filename(parse(config)) if config.is_file() else MODEL_FILE
    return model / str(header.version) / name


def _load(file: Path, header: Header) -> Servable:
    # Without a certificate check: the question here is only whether one answer differs.
    policy = LoadPolicy(batch_uncertified=True, certify_seconds=0.0)
    return load_servable(file, policy, name=header.model, version=header.version)


def _replay(bundle: ReproBundle, servable: Servable, seed: int) -> Replay:
    try:
        return replay(bundle, servable, seed=seed)
    except Exception as error:  # ONNX Runtime has many error classes, which share no base
        raise ReproBundleError(f"the repro bundle can't be run on this model: {error}") from error


def _fields(bundle: ReproBundle, made: Replay, servable: Servable) -> dict[str, Any]:
    header = bundle.header
    return {
        "reproduced": made.is_reproduced,
        "time": header.time,
        "model": header.model,
        "version": header.version,
        "frame_count": len(bundle.row.frames),
        "batch_sizes": [len(run.lengths) for run in header.runs],
        "same_model": servable.sha256 == header.model_sha256,
        "same_fingerprint": _fingerprint(header) == fingerprint_here(),
        "then": _difference(made.then),
        "alone_then_and_now": _difference(made.alone),
        "trials": [
            {
                "neighbour_scale": t.neighbour_scale,
                "tries": t.tries,
                "differing": t.differing,
                "worst": _difference(t.worst),
            }
            for t in made.trials
        ],
    }


def _fingerprint(header: Header) -> Fingerprint:
    try:
        return json_format.ParseDict(header.fingerprint, Fingerprint(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ReproBundleError(f"its fingerprint can't be parsed: {error}") from error


def _difference(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    # JSON knows no infinity.
    absolute = found.absolute if math.isfinite(found.absolute) else None
    return {"tensor": found.tensor, "ulp": found.ulp, "max_abs_difference": absolute}


def _lines(report: dict[str, Any]) -> Iterator[str]:
    sizes = ", ".join(map(str, report["batch_sizes"]))
    version, frames = f"{report['model']} version {report['version']}", f"{report['frame_count']} frames"
    yield f"{version}, {frames} in runs of {sizes}, {report['time']}"
    yield f"model file  {'the same' if report['same_model'] else 'a different one'}"
    yield f"machine     {'the same fingerprint' if report['same_fingerprint'] else 'a different fingerprint'}"
    yield f"then        {_difference_text(report['then'])}"
    yield f"alone       {_difference_text(report['alone_then_and_now'])} between then and now"
    for trial in report["trials"]:
        neighbours = "sliced" if trial["neighbour_scale"] is None else f"neighbours ×{trial['neighbour_scale']:g}"
        times = f"differed {trial['differing']} of {trial['tries']} times"
        yield f"{neighbours:<16}{times}: {_difference_text(trial['worst'])}"
    yield "reproduced" if report["reproduced"] else "not reproduced"


def _difference_text(difference: dict[str, Any] | None) -> str:
    if difference is None:
        return "no difference"
    absolute = difference["max_abs_difference"]
    return f"{difference['tensor']} by {difference['ulp']} ULP" + ("" if absolute is None else f" ({absolute:.3g})")
