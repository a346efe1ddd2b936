"""The repro bundle: one answer that differed, with everything needed to repeat it, in one file."""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.engine.runner import Row, RowResult
from service.observers.live_check.run_trace import RunShape
from soloist.files import OWNER_ONLY, write_atomically

FORMAT = "soloist.repro-bundle/1"

SUFFIX = ".npz"


class ReproBundleError(Exception):
    """The file is no repro bundle, or can't be read; the text has the cause."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a repro bundle, without its arrays.

    `time` is UTC, ISO 8601. `model_sha256` is that of the loaded model file, external weights included.
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
class ReproBundle:
    """An answer as the caller got it, and as it is alone."""

    header: Header
    row: Row
    given: RowResult
    alone: RowResult


def pack(bundle: ReproBundle) -> bytes:
    """Return a repro bundle as bytes."""
    header, names = bundle.header, bundle.header.states
    text = json.dumps({"format": FORMAT} | asdict(header))
    arrays = {"header": np.frombuffer(text.encode(), np.uint8), "frames": bundle.row.frames}
    arrays |= {f"before.{i}": bundle.row.states[name] for i, name in enumerate(names)}
    for kind, result in (("given", bundle.given), ("alone", bundle.alone)):
        arrays[f"{kind}.outputs"] = result.outputs
        arrays |= {f"{kind}.state.{i}": result.states[name] for i, name in enumerate(names)}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read(path: Path) -> ReproBundle:
    """Read a repro bundle.

    Raises:
        ReproBundleError: it can't be read.

    """
    if not zipfile.is_zipfile(path):
        raise ReproBundleError(f"{path}: no .npz archive")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _bundle(arrays)
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        zipfile.BadZipFile,
    ) as error:
        raise ReproBundleError(f"{path}: no readable repro bundle: {error}") from error


def _bundle(arrays: Mapping[str, Any]) -> ReproBundle:
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
    return ReproBundle(header=header, row=Row(frames=arrays["frames"], states=before), **results)


def _check(header: Header, frames: np.ndarray[Any, Any]) -> None:
    if not all(0 <= run.row < len(run.lengths) and min(run.lengths) > 0 for run in header.runs):
        raise ValueError("a run has no such row")
    if header.piece_frames < 1 or sum(run.lengths[run.row] for run in header.runs) != len(frames):
        raise ValueError("the runs don't add up to the frames")


@dataclass(frozen=True, kw_only=True)
class ReproBundleFolder:
    """A folder and its bounds. Existing files count, so a restart makes no room; the first repro bundles stay."""

    path: Path
    max_files: int = 20
    max_bytes: int = 64 * 2**20

    def prepare(self) -> None:
        """Create the folder if it is missing.

        Raises:
            OSError: it can't be created or written to.

        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))

    def put(self, content: bytes) -> Path | None:
        """Write one repro bundle, and return its path, or None if there is no room for it.

        Raises:
            OSError: it can't be written.

        """
        sizes = [file.stat().st_size for file in self.path.glob(f"*{SUFFIX}")]
        if len(sizes) >= self.max_files or sum(sizes) + len(content) > self.max_bytes:
            return None
        name = f"repro-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}{SUFFIX}"
        write_atomically(self.path / name, content, mode=OWNER_ONLY)
        return self.path / name
