"""The real tritonclient, in a process and an environment of its own, gets what our own client gets, bit for bit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.tls.caller import localhost
from bench.tls.certificates import Authority, Mounted
from soloist import Client
from tests.conftest import SMALL_MODELS
from tests.e2e.foreign_environment import TRITON_CLIENT, UnavailableError, folder_with, or_skip
from tests.graphs import Sums
from tests.servers import TRANSPORTS, USUAL_TRANSPORT, RunningServer, running_server

PROGRAM = Path(__file__).parent / "foreign" / "triton_program.py"
HTTP_PROGRAM = Path(__file__).parent / "foreign" / "triton_http_program.py"
TLS_PROGRAM = Path(__file__).parent / "foreign" / "triton_tls_program.py"
OPERATOR = Path(__file__).parent / "foreign" / "triton_operator.py"
WAYS = {"unary", "unary_sequence", "row", "stream", "until_final", "aio", "aio_stream"}
HTTP_WAYS = {"json", "binary", "gzip", "deflate", "side_by_side", "in_chunks", "aio"}
_LENGTHS = (1, 3, 7, 20, 29)


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return folder_with(TRITON_CLIENT) / "bin" / "python"
    except UnavailableError as error:
        or_skip(error)
        raise


def run(python: Path, program: Path, *arguments: str) -> None:
    """Run a program to its end; what it wrote on stderr is what a failure shows."""
    command = [str(python), str(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("model", "protocol", "transport"),
    [
        *((model, "grpc", TRANSPORTS[0]) for model in SMALL_MODELS),
        *((model, "grpc", TRANSPORTS[1]) for model in SMALL_MODELS[::3]),
        *((model, "http", USUAL_TRANSPORT) for model in SMALL_MODELS[::3]),
    ],
)
def test_every_way_to_ask_gives_the_same_bits(
    python: Path, servers: Callable[[str], RunningServer], model: str, protocol: str, transport: str, tmp_path: Path
) -> None:
    server = servers(transport)
    rng = np.random.default_rng(30)
    sequences = [rng.normal(size=(length, 12)).astype(np.float32) for length in _LENGTHS]
    named: dict[str, Any] = {str(index): frames for index, frames in enumerate(sequences)}
    np.savez(tmp_path / "sequences.npz", **named)
    files = (str(tmp_path / "sequences.npz"), str(tmp_path / "answers.npz"))
    program, target, ways = (
        (PROGRAM, server.grpc, WAYS) if protocol == "grpc" else (HTTP_PROGRAM, server.http, HTTP_WAYS)
    )
    if (protocol, transport) == ("grpc", "httpunk"):
        ways = ways | {"gzip", "deflate"}
    run(python, program, target, model, *files)
    with Client(server.grpc) as client:
        ours = [client.predict(model, frames, every_frame=True).outputs.tobytes() for frames in sequences]
    with np.load(tmp_path / "answers.npz") as answers:
        theirs = {name: answers[name] for name in answers.files}
    assert theirs.keys() == {f"{way}-{index}" for way in ways for index in range(len(sequences))}
    for name, outputs in theirs.items():
        assert outputs.tobytes() == ours[int(name.rpartition("-")[2])], name


def test_models_come_and_go_as_its_operator_says(
    python: Path, repository: Path, tmp_path: Path, transport: str
) -> None:
    served = tmp_path / "repository"
    asked = {"blocking": "vowels-lstm-layer", "asyncio": "vowels-tcn-layer"}
    Sums(name="always").write(served)
    frames = np.random.default_rng(31).normal(size=(17, 12)).astype(np.float32)
    np.save(tmp_path / "frames.npy", frames)
    files = (str(tmp_path / "frames.npy"), str(tmp_path / "answers.npz"))
    with running_server(served, tmp_path, transport=transport) as server, Client(server.grpc) as client:
        for name in asked.values():  # the server has looked, and looks again only when it is asked
            shutil.copytree(repository / name, served / f".{name}")
            (served / f".{name}").rename(served / name)
        run(python, OPERATOR, server.grpc, *asked.values(), *files)
        ours = {way: client.predict(name, frames, every_frame=True).outputs for way, name in asked.items()}
    with np.load(tmp_path / "answers.npz") as answers:
        theirs = {name: answers[name].tobytes() for name in answers.files}
    times = ("first", "again")
    assert theirs == {f"{way}-{time}": outputs.tobytes() for way, outputs in ours.items() for time in times}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_shows_its_certificate_on_both_ports(python: Path, tmp_path: Path, transport: str) -> None:
    authority = Authority()
    mounted, client = Mounted(tmp_path / "server", authority.server()), authority.client()
    shown = {"ca": client.root_certificates, "certificate": client.certificate_chain, "key": client.private_key}
    for name, content in shown.items():
        (tmp_path / name).write_bytes(content or b"")
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {"transport": transport, **mounted.settings()}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        addresses = [localhost(address) for address in (server.http, server.grpc)]
        command = [str(python), str(TLS_PROGRAM), *addresses, *(str(tmp_path / name) for name in shown)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, 3 * "[4.0, 6.0]\n"), done.stderr
