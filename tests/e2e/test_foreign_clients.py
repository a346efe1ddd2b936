"""Clients that others wrote, each in an environment of its own, speak with both transports: grpcio, grpclib, Go."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

from soloist.v1 import sequence_inference_pb2 as pb
from tests.e2e.foreign_environment import GO_CLIENTS, GRPCIO, GRPCLIB, UnavailableError, folder_with, or_skip
from tests.graphs import Sums
from tests.integration.asking import CLOSE, chunk, opening, tensor
from tests.servers import RunningServer, running_server

ROOT = Path(__file__).parents[2]
FOREIGN = Path(__file__).parent / "foreign"
SERVICE = "/soloist.v1.SequenceInference/"
FRAMES = np.random.default_rng(40).normal(size=(300, 2)).astype(np.float32)
LENGTHS, STEPS = (1, 7, 300), 20


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("sums")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, transport=transport) as server:
        yield server


def programs(*packages: str) -> Path:
    """Return where the programs of an environment lie."""
    try:
        return folder_with(*packages) / "bin"
    except UnavailableError as error:
        or_skip(error)
        raise


def run(*command: str, said: str = "") -> str:
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers_of(python: Path, program: str, server: RunningServer, compressed: str, folder: Path) -> dict[str, Any]:
    """Let a program ask, and return the bytes that it was told, by the way in which it asked."""
    messages = [pb.PredictRequest(model="sums", frames=tensor(FRAMES[:length])) for length in LENGTHS]
    steps = [chunk(at, tensor(FRAMES[at : at + 1])) for at in range(STEPS)]
    wrong = pb.PredictRequest(model="nobody", frames=tensor(FRAMES))
    asked = {
        "unary": f"{SERVICE}Predict",
        "messages": [_packed(message) for message in messages],
        "stream": f"{SERVICE}Stream",
        "conversation": [_packed(message) for message in (opening(), *steps, CLOSE)],
        "wrong": _packed(wrong),
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    files = (str(folder / "asked.json"), str(folder / "answers.json"))
    run(str(python), str(FOREIGN / program), server.grpc, compressed, *files)
    found = json.loads((folder / "answers.json").read_text())
    return {way: [base64.b64decode(each) for each in answers] for way, answers in found.items()}


def assert_whole(raw: list[bytes]) -> None:
    answers = [pb.PredictResponse.FromString(each) for each in raw]
    assert [answer.frame_count for answer in answers] == list(LENGTHS)
    expected = [np.cumsum(FRAMES[:length], axis=0)[-1] for length in LENGTHS]
    assert [answer.outputs.data for answer in answers] == [each.tobytes() for each in expected]


def assert_streamed(raw: list[bytes]) -> None:
    opened, *results, closed = [pb.StreamResponse.FromString(each) for each in raw]
    assert (opened.WhichOneof("message"), closed.closed.frame_count) == ("opened", STEPS)
    expected = [each.tobytes() for each in np.cumsum(FRAMES[:STEPS], axis=0)]
    assert [each.result.outputs.data for each in results] == expected


@pytest.mark.parametrize(
    ("transport", "compressed"), [("grpc", "plain"), ("httpunk", "plain"), ("httpunk", "gzip")], indirect=["transport"]
)
def test_another_release_of_grpcio(sums: RunningServer, compressed: str, tmp_path: Path) -> None:
    found = answers_of(programs(GRPCIO) / "python", "grpcio_program.py", sums, compressed, tmp_path)
    assert_whole(found["unary"])
    assert_whole(found["aio"])
    assert_streamed(found["stream"])
    assert_streamed(found["aio_stream"])
    (details,) = status_pb2.Status.FromString(found["error"][0]).details
    info = error_details_pb2.ErrorInfo()
    assert details.Unpack(info)
    assert (info.domain, info.reason) == ("soloist", "MODEL_NOT_FOUND")


def test_grpclib(sums: RunningServer, tmp_path: Path) -> None:
    found = answers_of(programs(GRPCLIB) / "python", "grpclib_program.py", sums, "plain", tmp_path)
    assert_whole(found["unary"])
    assert_streamed(found["stream"])
    assert found["message"] == [b"there is no model 'nobody': ListModels and RepositoryIndex list all models"]


def test_k6(sums: RunningServer) -> None:
    given = ("-e", f"TARGET={sums.grpc}", "-e", f"PROTOS={ROOT / 'protos'}")
    run(
        str(programs(*GO_CLIENTS) / "k6"), "run", "--quiet", "--no-usage-report", *given, str(FOREIGN / "k6_program.js")
    )
    assert sums.total("soloist_requests_total", api="Stream", code="OK") >= 20


def test_grpcurl(sums: RunningServer) -> None:
    """It knows the messages by reflection."""
    grpcurl = (str(programs(*GO_CLIENTS) / "grpcurl"), "-plaintext")
    assert "soloist.v1.SequenceInference" in run(*grpcurl, sums.grpc, "list").split()
    frames = {"dataType": "DATA_TYPE_FLOAT32", "shape": [1, 2], "data": base64.b64encode(FRAMES[:1].tobytes()).decode()}
    said = [{"open": {"model": "sums"}}, {"chunk": {"frames": frames}}, {"close": {}}]
    streamed = run(*grpcurl, "-d", "@", sums.grpc, f"{SERVICE[1:]}Stream", said="".join(map(json.dumps, said)))
    assert '"frame_count": "1"' in streamed
    health = run(*grpcurl, sums.grpc, "grpc.health.v1.Health/Check")
    assert "SERVING" in health


def _packed(message: Any) -> str:
    return base64.b64encode(message.SerializeToString()).decode()
