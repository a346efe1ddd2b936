"""A stopped server keeps its connections and says nothing: clients learn of it by pings, and go on elsewhere."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import AsyncClient, Client, Keepalive
from tests.graphs import Sums
from tests.servers import RunningServer, eventually, running_server

# The time limit is longer than any test may take, so it is the pings that find out.
CLIENT: dict[str, Any] = {
    "keepalive": Keepalive(interval_seconds=0.5, timeout_seconds=1.0),
    "timeout_seconds": 600.0,
}
FRAMES = [[1.0, 2.0]]
# grpcio's own pings, which measure bandwidth, find out after a minute: that would be too late.
pytestmark = pytest.mark.timeout(50)


class Pair:
    """Two servers with the same keys."""

    def __init__(self, servers: list[RunningServer]) -> None:
        self._servers = servers
        self.target = "ipv4:" + ",".join(each.grpc.replace("localhost", "127.0.0.1") for each in servers)

    def stop_the_busy_one(self) -> None:
        """Stop the server that has the stream."""
        assert eventually(lambda: sum(map(_streams, self._servers)) == 1)
        next(filter(_streams, self._servers)).process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let both run."""
        for each in self._servers:
            each.process.send_signal(signal.SIGCONT)


def _streams(server: RunningServer) -> float:
    return server.total("soloist_sessions_open")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("pair")
    write_keys(folder / "keys", [new_key(seals_from=0)])
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {"transport": transport, "keys_file": folder / "keys"}
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(folder / "repository", folder, **settings)) for _ in range(2)]
        yield Pair(servers)


@pytest.fixture
def pair(both: Pair) -> Iterator[Pair]:
    yield both
    both.go_on()


def test_a_client_goes_on_after_its_server_was_stopped(pair: Pair) -> None:
    with Client(pair.target, **CLIENT) as client, client.stream("sums", resume=True) as stream:
        stream.send(FRAMES)
        pair.stop_the_busy_one()
        assert stream.send(FRAMES).outputs.tolist() == [2.0, 4.0]


async def test_an_async_client_goes_on_after_its_server_was_stopped(pair: Pair) -> None:
    async with AsyncClient(pair.target, **CLIENT) as client, client.stream("sums", resume=True) as stream:
        await stream.send(FRAMES)
        await asyncio.to_thread(pair.stop_the_busy_one)
        assert (await stream.send(FRAMES)).outputs.tolist() == [2.0, 4.0]
        # Each of these may go to the one that is stopped.
        answers = await asyncio.gather(*(client.predict("sums", FRAMES) for _ in range(4)))
    assert [answer.outputs.tolist() for answer in answers] == [[1.0, 2.0]] * 4
