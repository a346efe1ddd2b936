"""Clients go on by themselves when their server is killed or drains: equal to the bit, and labels join once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import AsyncClient, ChunkResult, Client, LabelOutcome, Resume
from tests.integration.labelling import CLASSES, write_classifier
from tests.servers import RunningServer, eventually, running_server

# Sums of these are exact, in whatever order they are added.
FRAMES = np.random.default_rng(1).integers(-9, 9, size=(14, 2)).astype(np.float32)
CHUNKS = [FRAMES[at : at + 2] for at in range(0, len(FRAMES), 2)]
SUMS = [FRAMES[: at + 2].cumsum(axis=0, dtype=np.float32)[-1] for at in range(0, len(FRAMES), 2)]


class Pair:
    """Two servers with the same keys and the same prediction log."""

    def __init__(self, start: Callable[[], RunningServer]) -> None:
        self._start = start
        self._servers = [start(), start()]

    def whole(self) -> str:
        """Start whoever was stopped, and return the target of both."""
        self._servers = [each if each.process.poll() is None else self._start() for each in self._servers]
        return "ipv4:" + ",".join(each.grpc.replace("localhost", "127.0.0.1") for each in self._servers)

    def busy(self) -> RunningServer:
        """Return the server that has the only stream."""
        assert eventually(lambda: sum(map(_streams, self._servers)) == 1)
        return next(filter(_streams, self._servers))

    def kill(self) -> None:
        """End the server that has the stream, by SIGKILL."""
        server = self.busy()
        server.process.kill()
        server.process.wait()

    def drain(self) -> None:
        """End the server that has the stream, by SIGTERM."""
        server = self.busy()
        server.ask_to_stop()
        assert server.exit_code() == 0


def _streams(server: RunningServer) -> float:
    return server.total("soloist_sessions_open") if server.process.poll() is None else 0.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    write_keys(folder / "keys", [new_key(seals_from=0)])
    write_classifier(folder / "repository")
    settings: dict[str, Any] = {"transport": transport, "keys_file": folder / "keys"}
    settings |= {"prediction_log": folder / "log.db", "prediction_log_flush_seconds": 0.05}
    with ExitStack() as stack:
        yield Pair(lambda: stack.enter_context(running_server(folder / "repository", folder, **settings)))


def test_a_client_goes_on_after_a_kill_and_labels_join_once(pair: Pair) -> None:
    with Client(pair.whole()) as client:
        with client.stream("sums", resume=Resume(every_frames=5)) as stream:
            results = [stream.send(chunk) for chunk in CHUNKS[:4]]
            assert eventually(lambda: {_reported(client, result) for result in results} == {LabelOutcome.REPEATED})
            pair.kill()
            results += [stream.send(chunk) for chunk in CHUNKS[4:]]
            assert stream.close() == len(FRAMES)
        again = [_reported(client, result) for result in results]
    assert [result.outputs.tobytes() for result in results] == [sums.tobytes() for sums in SUMS]
    assert len({result.prediction_id for result in results}) == len(CHUNKS)
    # The fourth was answered twice, since it came after the last token; it counts once all the same.
    assert again[:4] == [LabelOutcome.REPEATED] * 4
    assert {*again[4:]} <= {LabelOutcome.JOINED, LabelOutcome.PENDING}


def _reported(client: Client, result: ChunkResult) -> LabelOutcome:
    return client.report(result.prediction_id, CLASSES[0])


def test_a_client_goes_on_after_a_drain_with_the_last_token_alone(pair: Pair) -> None:
    with Client(pair.whole()) as client, client.stream("sums", resume=Resume(every_frames=0)) as stream:
        results = [stream.send(chunk) for chunk in CHUNKS[:4]]
        pair.drain()
        results += [stream.send(chunk) for chunk in CHUNKS[4:]]
        assert stream.close() == len(FRAMES)
    assert [result.outputs.tobytes() for result in results] == [sums.tobytes() for sums in SUMS]


@pytest.mark.parametrize(("every_frames", "end"), [(0, Pair.drain), (3, Pair.kill), (3, Pair.drain)])
async def test_an_async_client_goes_on(pair: Pair, every_frames: int, end: Callable[[Pair], None]) -> None:
    resume = Resume(every_frames=every_frames)
    async with AsyncClient(pair.whole()) as client, client.stream("sums", resume=resume) as stream:
        results = [await stream.send(chunk) for chunk in CHUNKS[:4]]
        end(pair)
        results += [await stream.send(chunk) for chunk in CHUNKS[4:]]
        assert await stream.close() == len(FRAMES)
    assert [result.outputs.tobytes() for result in results] == [sums.tobytes() for sums in SUMS]


@pytest.mark.parametrize(("every_frames", "end"), [(0, Pair.drain), (3, Pair.kill), (3, Pair.drain)])
async def test_chunks_in_flight_are_sent_again(pair: Pair, every_frames: int, end: Callable[[Pair], None]) -> None:
    async def source() -> AsyncIterator[Any]:
        for place, chunk in enumerate(CHUNKS):
            if place == 4:
                await asyncio.to_thread(end, pair)
            yield chunk

    async with AsyncClient(pair.whole()) as client:
        chunks = client.stream_chunks("sums", source(), ahead=3, resume=Resume(every_frames=every_frames))
        results = [result async for result in chunks]
    assert [result.first_frame for result in results] == list(range(0, len(FRAMES), 2))
    assert [result.outputs.tobytes() for result in results] == [sums.tobytes() for sums in SUMS]
    assert len({result.prediction_id for result in results}) == len(CHUNKS)


def test_a_token_outlives_its_client(pair: Pair) -> None:
    with Client(pair.whole()) as client, client.stream("sums", resume=True) as stream:
        stream.send(CHUNKS[0])
        token = stream.resume_token
        stream.cancel()
    with Client(pair.whole()) as client, client.stream("sums", resume=Resume(token=token)) as stream:
        assert stream.frame_count == 2
        assert stream.send(CHUNKS[1]).outputs.tobytes() == SUMS[1].tobytes()


def test_the_command_goes_on(pair: Pair) -> None:
    lines = ["".join(f"{a},{b}\n" for a, b in chunk) for chunk in CHUNKS]
    command = [sys.executable, "-m", "soloist.cli.main", "stream", "sums", "--format", "csv", "--chunk-frames", "2"]
    command += ["--resume", "--json", "--server", pair.whole()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for place, line in enumerate(lines):
            if place == 3:
                pair.kill()
            process.stdin.write(line)
            process.stdin.flush()
            answers.append(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert [f'"first_frame": {2 * place}' in answer for place, answer in enumerate(answers)] == [True] * len(CHUNKS)
