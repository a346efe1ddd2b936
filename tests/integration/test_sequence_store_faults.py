"""Servers that share a store, and lose each other, the store, or the answers that were under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.sealing.keys_file import new_key, write_keys
from tests.graphs import Sums
from tests.integration.asking import asking
from tests.integration.infer_requests import infer, step
from tests.integration.rest_requests import post
from tests.integration.stored import DURABLE, PATIENT, ask, chunk, last_of, over_rest, refused
from tests.redis_process import RedisProcess, running_redis
from tests.servers import RunningServer, eventually, running_server

PASSWORD = "s3cr3t-of-the-store"  # noqa: S105  # of tests
Serve = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    Sums(name="sums", features=1).write(folder)
    return folder


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    write_keys(path, [new_key(seals_from=0)])
    return path


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with running_redis(tmp_path, *DURABLE) as process:
        yield process


@pytest.fixture
def serve(redis: RedisProcess, sums: Path, keys: Path, tmp_path: Path, transport: str) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(**settings: Any) -> RunningServer:
            given = {"transport": transport, "keys_file": keys, "sequence_store": redis.url, **PATIENT, **settings}
            return stack.enter_context(running_server(sums, tmp_path, **given))

        yield start


def test_killed_servers_lose_nothing_and_a_lost_answer_comes_from_the_other(serve: Serve) -> None:
    first, second = serve(), serve()
    ask(first, chunk(1, start=True, name="a"))
    answer = ask(first, chunk(2, name="b"))
    first.process.kill()
    first.process.wait()
    assert ask(second, chunk(2, name="b")) == answer
    third = serve()
    assert last_of(ask(third, chunk(3, name="c"))) == 6
    second.ask_to_stop()
    assert second.exit_code() == 0
    assert over_rest(post(third.http, chunk(4, name="d", end=True), binary=True)) == 10
    assert over_rest(post(third.http, chunk(4, name="d", end=True), binary=True)) == 10
    assert third.total("soloist_sequence_repeats_total") == 1
    assert third.total("soloist_sessions_open") == 0


def test_a_store_that_dies_and_comes_back_loses_nothing(serve: Serve, redis: RedisProcess) -> None:
    server = serve()
    ask(server, chunk(1, start=True, name="a"))
    redis.kill()
    with refused("SEQUENCE_STORE_UNAVAILABLE"):
        ask(server, chunk(2, name="b"))
    answer = post(server.http, chunk(2, name="b"), binary=True)
    assert (answer.status, answer.json["reason"]) == (503, "SEQUENCE_STORE_UNAVAILABLE")
    assert eventually(lambda: server.get("/readyz")[0] == 503)
    assert "the sequence store doesn't answer" in server.get("/readyz")[1]
    with asking(server.grpc) as asker:
        assert infer(asker, step(0, np.ones((1, 3, 1), np.float32)))  # a whole sequence needs no store
    redis.start()
    assert last_of(ask(server, chunk(2, name="b"))) == 3
    assert eventually(lambda: server.get("/readyz")[0] == 200)
    failed = {"operation": "read", "outcome": "failed"}
    assert server.total("soloist_sequence_store_operations_total", **failed) == 2
    pings = {
        outcome: server.total("soloist_sequence_store_operations_total", operation="ping", outcome=outcome)
        for outcome in ("ok", "failed")
    }
    assert pings["failed"] >= 2
    assert pings["ok"] >= 1
    assert server.total("soloist_sequence_store_bytes_total", operation="write") > 0


def test_the_store_may_ask_for_a_password_which_nobody_sees(sums: Path, keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    with running_redis(tmp_path, "--requirepass", PASSWORD) as redis:
        settings: dict[str, Any] = {"keys_file": keys, "sequence_store": redis.url, **PATIENT}
        with running_server(sums, tmp_path, **settings, sequence_store_password_file=file) as server:
            assert last_of(ask(server, chunk(1, start=True))) == 1
            assert PASSWORD not in server.stderr.read_text()
        settings["sequence_store"] = redis.url.replace("//", "//:another@")
        with running_server(sums, tmp_path, **settings) as server, refused("SEQUENCE_STORE_UNAVAILABLE"):
            ask(server, chunk(2))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sequence_store": "redis://127.0.0.1:1"}, "needs keys_file"),
        ({"sequence_store": f"http://:{PASSWORD}@host", "sequence_store_plaintext": True}, "must be redis://"),
        ({"sequence_store": f"redis://:{PASSWORD}@host:port", "sequence_store_plaintext": True}, "must be redis://"),
        (
            {
                "sequence_store": "redis://host",
                "sequence_store_plaintext": True,
                "sequence_store_password_file": "/nowhere",
            },
            "can't be read",
        ),
    ],
)
def test_a_store_that_cannot_be_used_ends_the_start(
    sums: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(AssertionError, match=said) as caught, running_server(sums, tmp_path, **settings):
        pass
    assert PASSWORD not in str(caught.value)


def test_states_lie_in_the_clear_only_where_that_is_said(sums: Path, redis: RedisProcess, tmp_path: Path) -> None:
    with running_server(sums, tmp_path, sequence_store=redis.url, sequence_store_plaintext=True, **PATIENT) as server:
        assert last_of(ask(server, chunk(1, start=True, sequence="a name"))) == 1
        (key,) = redis.keys()
        assert "name" not in key
        assert 290_000 < int(redis.command("PTTL", key).strip(b":\r\n")) <= 300_000  # session_idle_seconds
        assert "in the clear" in server.stderr.read_text()
