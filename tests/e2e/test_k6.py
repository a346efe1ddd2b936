"""The scripts for k6 load a server on either transport, and their thresholds decide how k6 ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.foreign_environment import UnavailableError, k6, or_skip
from tests.graphs import Sums
from tests.servers import TRANSPORTS, RunningServer, running_server

SCRIPTS = Path(__file__).parents[2] / "bench" / "k6"
MODEL = Sums(name="sums")
_CROSSED = 99  # k6's exit code


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        found = k6()
        subprocess.run([found, "version"], capture_output=True, check=True, timeout=60)
    except (UnavailableError, OSError, subprocess.SubprocessError) as error:
        or_skip(error)
        raise
    return found


@pytest.fixture(scope="module", params=TRANSPORTS)
def sums(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("k6")
    MODEL.write(folder / "repository", manifest=MODEL.manifest)
    with running_server(folder / "repository", folder, transport=request.param) as server:
        yield server


def test_whole_sequences_arrive_at_a_rate(program: Path, sums: RunningServer, tmp_path: Path) -> None:
    before = _answered(sums, "Predict")
    metrics = _run(program, sums, "unary", tmp_path, "RATE=20", "P99_MS=60000")
    assert metrics["checks"]["fails"] == 0
    assert metrics["checks"]["passes"] == _answered(sums, "Predict") - before > 0


def test_streams_send_their_chunks(program: Path, sums: RunningServer, tmp_path: Path) -> None:
    before = _answered(sums, "Stream")
    metrics = _run(program, sums, "stream", tmp_path, "STREAMS=3", "CHUNKS=5", "INTERVAL_MS=20", "IN_TIME=0")
    streams = _answered(sums, "Stream") - before
    assert metrics["checks"]["passes"] == streams > 0
    assert metrics["chunk_duration"]["p(95)"] > 0
    assert metrics["chunks_in_time"]["passes"] + metrics["chunks_in_time"]["fails"] == 5 * streams


def test_a_threshold_that_is_crossed_fails(program: Path, sums: RunningServer, tmp_path: Path) -> None:
    _run(program, sums, "unary", tmp_path, "P99_MS=0.0001", exit_code=_CROSSED)


def _run(
    program: Path, server: RunningServer, script: str, folder: Path, *settings: str, exit_code: int = 0
) -> dict[str, Any]:
    summary = folder / "summary.json"
    given = (f"SERVER={server.grpc}", f"MODEL={MODEL.name}", "SECONDS=1", *settings)
    environment = [part for setting in given for part in ("-e", setting)]
    command = [str(program), "run", "--quiet", "--no-usage-report", "--summary-export", str(summary), *environment]
    command.append(str(SCRIPTS / f"{script}.js"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == exit_code, done.stdout + done.stderr
    metrics: dict[str, Any] = json.loads(summary.read_text())["metrics"]
    return metrics


def _answered(server: RunningServer, api: str) -> float:
    return server.total("soloist_requests_total", api=api, code="OK")
