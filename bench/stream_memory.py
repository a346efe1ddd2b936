"""`python -m bench.stream_memory`: how much memory of a server one stream holds, by what its caller does.

One server a situation, so that what one left behind is no part of the next; memory is what the process has resident,
less what it had before the streams, over their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import grpc
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.load_generator.workload import Array, WorkloadError, synthetic_sequences
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerError, serving
from soloist import AsyncClient, SoloistError
from soloist.client.errors import from_rpc_error
from soloist.data_types import data_type_of
from soloist.json_text import json_text
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub

# Streams share connections, as those of real callers do behind a proxy.
_STREAMS_A_CONNECTION = 100
_OPENED_AT_ONCE = 50
_SETTLED_SECONDS, _MAX_SECONDS = 2.0, 20.0
_UNREAD_CHUNKS = 64
_CANCELLED_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a stream holds in one situation, in bytes; `counted` is what the server bounds by max_state_bytes."""

    situation: str
    streams: int
    resident: float
    counted: float


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Streams of one kind; `hold` opens them until its block ends."""

    name: str
    streams: int
    hold: Callable[[str, int], AsyncIterator[None]]


def situations(model: str, frames: Array, *, idle: int, spoken: int, unread: int) -> list[Situation]:
    """Return what is measured, with so many streams each; `frames` are those of one chunk."""
    chunk = f"after a chunk of {len(frames)} frames"
    return [
        Situation(name="opened, nothing sent", streams=idle, hold=_answered(model, None)),
        Situation(name=f"{chunk}, last output", streams=spoken, hold=_answered(model, frames)),
        Situation(name=f"{chunk}, every output", streams=spoken, hold=_answered(model, frames, every_frame=True)),
        Situation(name="sends such chunks, reads no answer", streams=unread, hold=_unread(model, frames)),
    ]


def _answered(
    model: str, frames: Array | None, *, every_frame: bool = False
) -> Callable[[str, int], AsyncIterator[None]]:
    selection = pb.OUTPUT_SELECTION_EVERY_FRAME if every_frame else pb.OUTPUT_SELECTION_LAST
    begin = pb.StreamRequest(open=pb.Open(model=model, output_selection=selection))
    said = [begin] if frames is None else [begin, _chunk(0, frames)]

    async def hold(server: str, count: int) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            connections = [
                await stack.enter_async_context(_connection(server)) for _ in range(-(-count // _STREAMS_A_CONNECTION))
            ]
            gate = asyncio.Semaphore(_OPENED_AT_ONCE)
            calls: list[grpc.aio.StreamStreamCall[pb.StreamRequest, pb.StreamResponse]] = []

            async def talk(index: int) -> None:
                async with gate:
                    call = SequenceInferenceStub(connections[index % len(connections)]).Stream()
                    calls.append(call)
                    for message in said:
                        await call.write(message)
                        await call.read()

            await asyncio.gather(*(talk(index) for index in range(count)))
            yield
            for call in calls:
                call.cancel()
            # grpc.aio stops for ever when it is ended while it still has so much to tell.
            await asyncio.gather(*(call.code() for call in calls))
            await asyncio.sleep(_CANCELLED_SECONDS)

    return hold


def _unread(model: str, frames: Array) -> Callable[[str, int], AsyncIterator[None]]:
    begin = pb.StreamRequest(open=pb.Open(model=model, output_selection=pb.OUTPUT_SELECTION_EVERY_FRAME))
    chunks = [_chunk(number * len(frames), frames) for number in range(_UNREAD_CHUNKS)]

    async def send(call: grpc.aio.StreamStreamCall[pb.StreamRequest, pb.StreamResponse]) -> None:
        for message in (begin, *chunks):
            await call.write(message)

    async def hold(server: str, count: int) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for _ in range(count):  # a connection each: they share no window
                channel = await stack.enter_async_context(_connection(server))
                sending = asyncio.ensure_future(send(SequenceInferenceStub(channel).Stream()))
                stack.callback(sending.cancel)
            yield
            await asyncio.sleep(_CANCELLED_SECONDS)

    return hold


def _connection(server: str) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    return grpc.aio.insecure_channel(server, options=options)


def _chunk(first_frame: int, frames: Array) -> pb.StreamRequest:
    tensor = tensor_pb2.Tensor(data_type=data_type_of(frames.dtype), shape=frames.shape, data=frames.tobytes())
    return pb.StreamRequest(chunk=pb.Chunk(first_frame=first_frame, frames=tensor))


async def measure(situation: Situation, server: str, http: str) -> Held:
    """Hold the streams and see what they take. Raises SoloistError."""
    before = await _settled(http)
    async with asynccontextmanager(situation.hold)(server, situation.streams):
        after = await _settled(http)
        counted = (await _page(http)).total("soloist_session_state_bytes")
    count = situation.streams
    resident = (after - before) / count
    return Held(situation=situation.name, streams=count, resident=resident, counted=counted / count)


async def _settled(http: str) -> float:
    """Wait until the server's memory has stopped growing, but not for ever; returns it in bytes."""
    ends = asyncio.get_running_loop().time() + _MAX_SECONDS
    largest, since = 0.0, asyncio.get_running_loop().time()
    while (now := asyncio.get_running_loop().time()) < ends and now - since < _SETTLED_SECONDS:
        resident = (await _page(http)).total("process_resident_memory_bytes")
        if not resident:
            raise ServerError("the server tells no process_resident_memory_bytes")
        if resident > 1.01 * largest:
            largest, since = resident, now
        await asyncio.sleep(0.2)
    return largest


async def _page(http: str) -> MetricsPage:
    return await asyncio.to_thread(MetricsPage.read, http)


async def _frames(server: str, model: str, count: int) -> Array:
    async with AsyncClient(server) as client:
        manifest = (await client.model(model)).manifest
    if manifest is None:
        raise WorkloadError(f"{model} can't be called")
    sequence = synthetic_sequences(manifest, seed=0)[0]
    return np.resize(sequence, (count, *sequence.shape[1:]))


def _table(found: Sequence[Held], model: str) -> Table:
    title = f"{model}: memory of the server for one stream, KiB"
    table = Table("its caller", "streams", "resident", "counted", title=title, title_justify="left")
    for each in found:
        table.add_row(each.situation, str(each.streams), f"{each.resident / 1024:.1f}", f"{each.counted / 1024:.2f}")
    return table


@click.command()
@click.option("--repository", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--model", required=True, help="Model to stream to.")
@click.option("--idle", type=click.IntRange(min=1), default=2000, show_default=True, help="Streams that say nothing.")
@click.option("--spoken", type=click.IntRange(min=1), default=200, show_default=True, help="Streams that send a chunk.")
@click.option("--unread", type=click.IntRange(min=1), default=20, show_default=True, help="Streams that don't read.")
@click.option("--chunk-frames", type=click.IntRange(min=1), default=10_000, show_default=True, help="Frames a chunk.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a situation.")
def main(repository: Path, model: str, idle: int, spoken: int, unread: int, chunk_frames: int, as_json: bool) -> None:
    """Serve a repository and print what its streams hold.

    Exit codes: 0 measured, 1 a call failed or a server didn't start, 2 wrong usage.
    """
    settings = dict.fromkeys(("max_sessions", "max_sessions_per_client"), str(max(idle, spoken, unread)))
    settings["max_chunk_frames"] = str(chunk_frames)
    found: list[Held] = []
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("situations", total=4)
            with serving(repository, settings) as server:
                frames = asyncio.run(_frames(server.grpc, model, chunk_frames))
            for situation in situations(model, frames, idle=idle, spoken=spoken, unread=unread):
                with serving(repository, settings) as server:
                    found.append(asyncio.run(measure(situation, server.grpc, server.http)))
                progress.advance(task)
    except grpc.RpcError as error:
        raise click.ClickException(str(from_rpc_error(error))) from error
    except (ServerError, SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for each in found:
            click.echo(json_text(asdict(each)))
    else:
        Console().print(_table(found, model))


if __name__ == "__main__":
    main(prog_name="python -m bench.stream_memory")
