"""The capsule: one answer that differed, with all that is needed to make it again, in one file.

A capsule is an .npz archive (numpy, no pickles) of these arrays, T frames, K outputs a frame, N states:

| array | what |
|---|---|
| `header` | UTF-8 JSON as uint8: the fields of `Header`, `format` first |
| `frames` | [T, …], as the caller sent them |
| `before.<i>` | state i before the first frame |
| `given.outputs`, `given.state.<i>` | [T, K] and state i as the caller got them |
| `alone.outputs`, `alone.state.<i>` | the same, run alone |

State i is named by entry i of the header's `states`. Of those who shared the runs only the lengths are kept.
It holds what a user sent: treat it as such.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.engine.runner import Row, RowResult
from service.live_check.evidence import RunShape

FORMAT = "soloist.capsule/1"


class CapsuleError(Exception):
    """The file is no capsule, or can't be read; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a capsule says beside its arrays.

    `time` is UTC, ISO 8601. `model_sha256` is of the model's file as it was loaded, weights included.
    `fingerprint` is a soloist.v1.Fingerprint as JSON. `piece_frames` is the longest piece in which it was run alone.
    """

    time: str
    model: str
    version: int
    model_sha256: str
    fingerprint: dict[str, Any]
    states: list[str]
    runs: list[RunShape]
    piece_frames: int


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """An answer as it was given, and as it is alone."""

    header: Header
    row: Row
    given: RowResult
    alone: RowResult


def pack(capsule: Capsule) -> bytes:
    """Write a capsule into memory."""
    header, names = capsule.header, capsule.header.states
    text = json.dumps({"format": FORMAT} | asdict(header))
    arrays = {"header": np.frombuffer(text.encode(), np.uint8), "frames": capsule.row.frames}
    arrays |= {f"before.{i}": capsule.row.states[name] for i, name in enumerate(names)}
    for kind, result in (("given", capsule.given), ("alone", capsule.alone)):
        arrays[f"{kind}.outputs"] = result.outputs
        arrays |= {f"{kind}.state.{i}": result.states[name] for i, name in enumerate(names)}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read(path: Path) -> Capsule:
    """Read a capsule.

    Raises:
        CapsuleError: it can't be read.

    """
    if not zipfile.is_zipfile(path):
        raise CapsuleError(f"{path}: no .npz archive")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _capsule(arrays)
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise CapsuleError(f"{path}: no readable capsule: {error}") from error


def _capsule(arrays: Mapping[str, Any]) -> Capsule:
    fields = json.loads(arrays["header"].tobytes())
    if fields.pop("format") != FORMAT:
        raise ValueError(f"its format isn't {FORMAT}")
    runs = [RunShape(lengths=tuple(run["lengths"]), row=run["row"]) for run in fields.pop("runs")]
    header = Header(**fields, runs=runs)
    _check(header, arrays["frames"])
    results = {
        kind: RowResult(
            outputs=arrays[f"{kind}.outputs"],
            states={name: arrays[f"{kind}.state.{i}"] for i, name in enumerate(header.states)},
        )
        for kind in ("given", "alone")
    }
    before = {name: arrays[f"before.{i}"] for i, name in enumerate(header.states)}
    return Capsule(header=header, row=Row(frames=arrays["frames"], states=before), **results)


def _check(header: Header, frames: np.ndarray[Any, Any]) -> None:
    if not all(0 <= run.row < len(run.lengths) and min(run.lengths) > 0 for run in header.runs):
        raise ValueError("a run has no such row")
    if header.piece_frames < 1 or sum(run.lengths[run.row] for run in header.runs) != len(frames):
        raise ValueError("the runs don't add up to the frames")
