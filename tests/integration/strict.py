"""Owns the repository and the bounds of the server that all bad input is sent to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest

from soloist.v1 import tensor_pb2
from tests.graphs import METADATA_KEY, Sums
from tests.servers import TRANSPORTS, RunningServer, running_server

# The mark of modules whose tests run against this server on both transports.
ON_BOTH = pytest.mark.parametrize("strict", TRANSPORTS, indirect=True)
MAX_FRAMES, MAX_CHUNK_FRAMES, SHORT_FRAMES = 1000, 200, 8
MAX_MESSAGE_BYTES = 20_000
MAX_SESSIONS, MAX_STATE_BYTES = 3, 3_000_000
BROKEN = ("corrupt", "truncated", "empty", "missing", "folder", "garbled", "lying", "untyped")


@contextmanager
def strict_server(folder: Path, transport: str) -> Iterator[RunningServer]:
    """Serve good, odd and broken models under narrow bounds."""
    repository = folder / "secret" / "repository"
    write_repository(repository)
    bounds: dict[str, Any] = {
        "transport": transport,
        "prediction_log": folder / "secret" / "log.db",
        "max_sequence_frames": MAX_FRAMES,
        "max_chunk_frames": MAX_CHUNK_FRAMES,
        "max_message_bytes": MAX_MESSAGE_BYTES,
        "max_sessions": MAX_SESSIONS,
        "max_state_bytes": MAX_STATE_BYTES,
    }
    with running_server(repository, folder, log_format="json", **bounds) as server:
        yield server


def write_repository(repository: Path) -> None:
    """Write "sums", "letters" (tokens), "short", "whole" (not causal), "hoarder" (a large state), and broken ones."""
    for good in (
        Sums(name="sums"),
        Sums(name="letters", token_count=256),
        Sums(name="short", max_frames=SHORT_FRAMES),
        Sums(name="whole", causal=False),
        Sums(name="hoarder", ballast=MAX_STATE_BYTES // 4),
    ):
        good.write(repository)
    _break_files(repository)
    _break_manifests(repository)
    (repository / "versionless").mkdir()
    (repository / "a file.txt").write_text("no model")


def _break_files(repository: Path) -> None:
    whole = Sums(name="truncated").write(repository)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    contents = {"corrupt": bytes(range(256)) * 16, "empty": b""}
    for name, content in contents.items():
        _version(repository, name).joinpath("model.onnx").write_bytes(content)
    _version(repository, "missing")
    _version(repository, "folder").joinpath("model.onnx").mkdir()


def _break_manifests(repository: Path) -> None:
    garbled = Sums(name="garbled").write(repository)
    model = onnx.load(garbled)
    onnx.helper.set_model_props(model, {METADATA_KEY: "{no json"})
    onnx.save(model, garbled)
    lying = Sums(name="lying").manifest
    lying.signature.outputs.name = "answers"
    Sums(name="lying").write(repository, manifest=lying)
    untyped = Sums(name="untyped").manifest
    untyped.signature.frames.data_type = tensor_pb2.DATA_TYPE_UNSPECIFIED
    Sums(name="untyped").write(repository, manifest=untyped)


def _version(repository: Path, name: str) -> Path:
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    return folder
