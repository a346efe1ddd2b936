"""How a server goes: calls under way finish or are told, new ones are told, and the exit code says which it was."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from soloist import NO_RETRY, Client, SoloistError
from tests.graphs import Sums
from tests.integration.asking import asking, ones, opening
from tests.integration.drain import await_drain
from tests.servers import RunningServer, running_server


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("sums")
    Sums(name="sums").write(repository)
    return repository


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_under_way_finish_and_new_calls_are_refused(
    sums: Path, tmp_path: Path, transport: str, number: signal.Signals
) -> None:
    with running_server(sums, tmp_path, transport=transport) as server, Client(server.grpc) as client:
        with client.stream("sums") as first, client.stream("sums") as second:
            first.send([[1.0, 1.0]])
            server.process.send_signal(number)
            await_drain(server)
            _assert_new_calls_are_refused(server)
            assert first.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 3.0]
            assert first.close() == 2
            assert second.send([[5.0, 5.0]]).outputs.tolist() == [5.0, 5.0]
        assert server.exit_code() == 0


def test_nothing_under_way_ends_at_once(sums: Path, tmp_path: Path, transport: str) -> None:
    with running_server(sums, tmp_path, transport=transport, drain_seconds=3600) as server:
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_what_takes_longer_than_the_drain_is_told(sums: Path, tmp_path: Path, transport: str) -> None:
    with running_server(sums, tmp_path, transport=transport, drain_seconds=0.2, log_format="json") as server:
        with Client(server.grpc) as client:
            left = client.stream("sums").__enter__()
            left.send([[1.0, 1.0]])
            server.ask_to_stop()
            assert server.exit_code() == 0
            _assert_reported(lambda: left.send([[1.0, 1.0]]))
        refusals = [line for line in server.log() if line.get("reason") == "SERVER_DRAINING"]
        assert [line["session_id"] for line in refusals] == [left.session_id]


def test_a_second_signal_cuts_the_drain_short(sums: Path, tmp_path: Path, transport: str) -> None:
    with (
        running_server(sums, tmp_path, transport=transport, drain_seconds=3600) as server,
        Client(server.grpc) as client,
    ):
        left = client.stream("sums").__enter__()
        left.send([[1.0, 1.0]])
        server.ask_to_stop()
        await_drain(server)
        server.ask_to_stop()
        assert server.exit_code() == 1
        _assert_reported(lambda: left.send([[1.0, 1.0]]))


def _assert_new_calls_are_refused(server: RunningServer) -> None:
    with asking(server.grpc) as asker:
        _assert_reported(lambda: asker.predict(ones(3)))
        _assert_reported(lambda: asker.converse(opening()))
    with Client(server.grpc, retry=NO_RETRY) as client:
        _assert_reported(client.models)


def _assert_reported(ask: Callable[[], object]) -> None:
    with pytest.raises(SoloistError, match="another replica") as caught:
        ask()
    assert (caught.value.code.name, caught.value.reason) == ("UNAVAILABLE", "SERVER_DRAINING")
