"""What operators change of a running server itself: the log level, readiness, and its end, in all processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from soloist import Admin, AsyncAdmin, Client, SoloistError
from soloist.v1 import admin_pb2 as pb
from soloist.v1.admin_pb2_grpc import AdminStub
from tests.graphs import Sums
from tests.integration.asking import asking, ones
from tests.integration.drain import await_drain
from tests.integration.processes import asking_each, is_running, members
from tests.servers import RunningServer, eventually, running_server


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    Sums(name="sums").write(folder)
    return folder


@pytest.fixture
def served(sums: Path, tmp_path: Path, transport: str) -> Iterator[RunningServer]:
    with running_server(sums, tmp_path, transport=transport, log_format="json") as server:
        yield server


@pytest.fixture
def pair(sums: Path, tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(sums, tmp_path, processes=2, log_format="json") as server:
        yield server


async def test_the_level_of_the_log(served: RunningServer) -> None:
    with asking(served.grpc) as asker, Admin(served.grpc) as admin:
        assert admin.set_log_level("error") == "error"
        with pytest.raises(SoloistError):
            asker.predict(ones(3), model="silent")
        assert admin.set_log_level(None) == "info"
        with pytest.raises(SoloistError):
            asker.predict(ones(3), model="loud")
    async with AsyncAdmin(served.grpc) as admin_here:
        assert await admin_here.set_log_level("warning", fallback_seconds=0.01) == "warning"
        assert eventually(lambda: _levels(served) == ["error", "info", "warning", "info"])
    assert [line["model"] for line in served.log() if line["event"] == "call refused"] == ["loud"]


def _levels(server: RunningServer) -> list[str]:
    return [line["lowest"] for line in server.log() if line["event"] == "log level set"]


def test_what_is_refused(served: RunningServer) -> None:
    with grpc.insecure_channel(served.grpc) as channel:
        stub = AdminStub(channel)
        for call in (
            lambda: stub.Drain(pb.DrainRequest(), timeout=10),
            lambda: stub.SetLogLevel(pb.SetLogLevelRequest(fallback_seconds=-1), timeout=10),
            lambda: stub.SetLogLevel(pb.SetLogLevelRequest(fallback_seconds=float("nan")), timeout=10),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with Admin(served.grpc) as admin, pytest.raises(ValueError, match="level is 'loud'"):
        admin.set_log_level("loud")


def test_a_server_that_is_taken_out_answers_all_the_same(served: RunningServer) -> None:
    with Admin(served.grpc) as admin, asking(served.grpc) as asker:
        assert admin.set_ready(False) == 1
        assert served.get("/readyz") == (503, "taken out by an operator\n")
        assert asker.predict(ones(3)).frame_count == 3
        admin.set_ready(True)
        assert served.get("/readyz")[0] == 200


def test_a_drain_from_afar_is_that_of_a_signal(served: RunningServer) -> None:
    with Client(served.grpc) as client, Admin(served.grpc) as admin, client.stream("sums") as stream:
        stream.send([[1.0, 1.0]])
        assert admin.drain() == 2
        await_drain(served)
        with asking(served.grpc) as late, pytest.raises(SoloistError):
            late.predict(ones(3))
        assert stream.send([[1.0, 1.0]]).first_frame == 1
    assert served.exit_code() == 0


def test_every_process_hears_of_it_also_one_that_comes_back(pair: RunningServer) -> None:
    with Admin(pair.grpc) as admin:
        admin.set_ready(False)
        admin.set_log_level("error")
        assert pair.get("/readyz")[0] == 503
        before = members(pair)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: len(members(pair) - {killed}) == 2)
    assert eventually(lambda: _both_answer(pair))
    with asking_each(pair) as each:
        for asker in each.values():
            assert asker.predict(ones(3)).frame_count == 3
            with pytest.raises(SoloistError):
                asker.predict(ones(3), model="silent")
    assert pair.get("/readyz")[0] == 503
    assert [line for line in pair.log() if line["event"] == "call refused"] == []
    with Admin(pair.grpc) as admin:
        admin.set_ready(True)
        assert eventually(lambda: pair.get("/readyz")[0] == 200)
        after = members(pair)
        admin.drain()
    assert pair.exit_code() == 0
    assert not any(map(is_running, after))


def _both_answer(server: RunningServer) -> bool:
    try:
        with asking_each(server):
            return True
    except AssertionError:  # one is there, but doesn't listen yet
        return False
