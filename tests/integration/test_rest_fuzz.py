"""Hostile input over REST: requests that parse and lie, and bytes that are hardly requests. None does harm."""

from __future__ import annotations

import copy
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.transport.http.statuses import HTTP_STATUSES
from tests.graphs import Sums
from tests.integration.rest_requests import JSON_BYTES, ask
from tests.integration.stored import PATIENT
from tests.redis_process import running_redis
from tests.servers import RunningServer, running_server

PATH = "/v2/models/sums/infer"
ODD: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1.5,
        2**31,
        2**63 - 1,
        2**63,
        2**64,
        1e308,
        "",
        "x",
        "x" * 300,
        "\x00",
        "\ud7ff",
        "FP16",
        "BYTES",
    ),
    *([], {}, [[]], [[[]]], [None], [1, [2]], {"": {}}, {"name": "frames"}, [0] * 40, [1e39, 1], [[1, 2], [3, 4]]),
]
KEYS = ("name", "shape", "datatype", "data", "parameters", "inputs", "outputs", "id", "binary_data_size", "timeout",
        "sequence_id", "sequence_start", "sequence_end", "sequence_first_frame")  # fmt: skip


def valid(*, binary: bool) -> tuple[dict[str, Any], bytes]:
    tensor: dict[str, Any] = {"name": "frames", "shape": [1, 2, 2], "datatype": "FP32", "parameters": {}}
    data = b""
    if binary:
        tensor["parameters"]["binary_data_size"], data = 16, bytes(range(16))
    else:
        tensor["data"] = [[[1, 2], [3, 4]]]
    outputs = [{"name": "outputs", "parameters": {"binary_data": binary}}]
    parameters = {"sequence_id": 7, "sequence_start": True, "sequence_end": True, "sequence_first_frame": 0}
    parameters["timeout"] = 10**9
    return {"id": "a", "inputs": [tensor], "outputs": outputs, "parameters": parameters}, data


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value, with each of its keys or indices."""
    pairs: list[tuple[Any, Any]] = []
    for key in value if isinstance(value, dict) else range(len(value)):
        pairs.append((value, key))
        if isinstance(value[key], dict | list):
            pairs += places(value[key])
    return pairs


def lying(rng: random.Random) -> tuple[bytes, dict[str, str]]:
    """Return a body that is valid but for one to three places, and its headers."""
    found, data = valid(binary=rng.random() < 0.5)
    for _ in range(rng.randint(1, 3)):
        owner, key = rng.choice(places(found))
        if isinstance(owner, dict) and rng.random() < 0.3:
            key = rng.choice(KEYS)
        owner[key] = copy.deepcopy(rng.choice(ODD))
    text = json.dumps(found).encode()
    size = len(text) if rng.random() < 0.9 else rng.choice([0, 1, len(text) - 1, len(text) + len(data) + 1])
    headers = {JSON_BYTES: str(size)} if data or rng.random() < 0.2 else {}
    return text + data[: rng.choice([16, 16, 16, 15, 0])], headers


def broken(rng: random.Random) -> bytes:
    """Return the bytes of a request, cut, flipped or repeated somewhere."""
    text, data = valid(binary=True)
    body = json.dumps(text).encode()
    sizes = f"{JSON_BYTES}: {len(body)}\r\nContent-Length: {len(body) + len(data)}"
    raw = bytearray(f"POST {PATH} HTTP/1.1\r\nHost: a\r\n{sizes}\r\n\r\n".encode() + body + data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw))
        match rng.randrange(4):
            case 0:
                del raw[at:]
            case 1:
                raw[at] ^= 1 << rng.randrange(8)
            case 2:
                raw[at:at] = raw[at : at + rng.randrange(40)]
            case _:
                raw[at : at + 1] = rng.choice([b"\r\n", b"\x00", b"\xff", b":", b" ", b"{", b"9" * 30])
        if not raw:
            break
    return bytes(raw)


@pytest.fixture(scope="module", params=["memory", "store"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Keep sequences in memory, or in a store."""
    if request.param == "memory":
        yield request.getfixturevalue("strict")
        return
    folder: Path = tmp_path_factory.mktemp("stored")
    Sums(name="sums").write(folder / "repository")
    with running_redis(folder) as redis:
        store: dict[str, Any] = {"sequence_store": redis.url, "sequence_store_plaintext": True, **PATIENT}
        with running_server(folder / "repository", folder, log_format="json", **store) as server:
            yield server


@pytest.fixture(autouse=True)
def unharmed(server: RunningServer) -> Any:
    """Check that the server answers as before, and that its log has no failure."""
    text, _ = valid(binary=False)
    before = ask(server.http, "POST", PATH, json.dumps(text).encode()).outputs()["outputs"].tobytes()
    yield
    assert ask(server.http, "POST", PATH, json.dumps(text).encode()).outputs()["outputs"].tobytes() == before
    assert server.get("/readyz") == (200, "ready\n")
    assert [line for line in server.log() if line["level"] in ("error", "critical")] == []


def test_requests_that_lie(server: RunningServer) -> None:
    allowed = set(HTTP_STATUSES.values()) - {499, 500} | {200}
    for seed in range(400):
        body, headers = lying(random.Random(seed))
        found = ask(server.http, "POST", PATH, body, headers)
        assert found.status in allowed, (seed, found.body)
        assert found.status == 200 or found.json["reason"], (seed, found.body)


def test_bytes_that_are_hardly_requests(server: RunningServer) -> None:
    host, port = server.http.split(":")
    for seed in range(400):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            found = b""
            try:
                connection.sendall(broken(random.Random(seed)))
                connection.shutdown(socket.SHUT_WR)
                while some := connection.recv(65536):
                    found += some
            except (BrokenPipeError, ConnectionResetError):  # it has been refused while it was still sending
                pass
        assert found == b"" or found.startswith(b"HTTP/1.1 "), (seed, found)
        assert b" 500 " not in found[:20], (seed, found)
