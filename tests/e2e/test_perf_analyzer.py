"""perf_analyzer loads the server, with requests and with sequences on streams, and finds all the counts it wants."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable

import pytest

from tests.e2e.foreign_environment import UnavailableError, or_skip, perf_analyzer
from tests.servers import TRANSPORTS, RunningServer

# It ends once three windows agree; how much they may differ is of no interest here.
_SHORT = (
    "--measurement-mode", "count_windows", "--measurement-request-count", "100", "--max-trials", "10", "-s", "999",
)  # fmt: skip
_REQUESTS = ("--shape", "frames:20,12")
_STREAMS = (
    "--streaming", "-a", "--shape", "frames:1,12", "--concurrency-range", "4",
    "--sequence-length", "18", "--sequence-length-variation", "60",
)  # fmt: skip

_REFUSALS = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "INTERNAL")


@pytest.fixture(scope="module")
def program() -> tuple[str, ...]:
    if platform.machine() != "x86_64":
        pytest.skip("perf_analyzer is built for x86_64 only")
    try:
        command = perf_analyzer()
        subprocess.run([*command, "--version"], capture_output=True, check=True, timeout=30)
    except (UnavailableError, OSError, subprocess.SubprocessError) as error:
        or_skip(error)
        raise
    return command


@pytest.mark.parametrize(
    ("load", "transport"),
    [(_REQUESTS, TRANSPORTS[0]), *((_STREAMS, each) for each in TRANSPORTS)],
    ids=["unary-grpc", *(f"streams-{each}" for each in TRANSPORTS)],
)
def test_it_measures_without_an_error(
    program: tuple[str, ...], servers: Callable[[str], RunningServer], load: tuple[str, ...], transport: str
) -> None:
    server = servers(transport)
    model = "vowels-lstm-layer"
    api = "ModelStreamInfer" if load is _STREAMS else "ModelInfer"
    before = _answered(server, api, *_REFUSALS)
    command = [*program, "-m", model, "-u", server.grpc, "-i", "grpc", *load, *_SHORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    reported = done.stdout + done.stderr
    assert done.returncode == 0, reported
    assert "Successful request count" in reported, reported
    assert "compute infer" in reported, reported
    assert _answered(server, api, "OK") >= 300  # three windows
    assert _answered(server, api, *_REFUSALS) == before


def _answered(server: RunningServer, api: str, *codes: str) -> float:
    return sum(server.total("soloist_requests_total", api=api, code=code) for code in codes)
