"""`python -m bench.footprint`: how soon a server is ready, and what memory it, a session and many requests take.

The server is started again and again, and medians are printed. Sessions are sequences of the Open Inference Protocol,
which live on between their requests: so a session is measured without a call around it (`python -m bench.stream_memory`
has streams, which are calls). Requests are whole sequences, no two of the same length one after the other.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import grpc
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.metrics_page import MetricsPage
from bench.server_process import ServerError, ServerProcess, serving
from bench.small_model import MODEL, small_model
from bench.workload import Array, WorkloadError, synthetic_sequences
from soloist import AsyncClient, SoloistError
from soloist.client.errors import from_rpc_error
from soloist.data_types import data_type_of
from soloist.json_text import json_text
from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from soloist.v1 import model_pb2

# The collector is spared what is loaded a second after that; memory is read later.
_SETTLED_SECONDS = 1.5
# Before memory is compared, so that what every kind of request takes once is there.
_FIRST_REQUESTS = 1000
_AT_ONCE = 16
_LONGEST_FRAMES = 128
_OIP_TYPES = {"float32": "FP32", "int64": "INT64"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often a server is started, how many sessions are opened, and how many requests are sent."""

    model: str
    starts: int
    sessions: int
    requests: int
    transport: str


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Medians over the starts. `session_bytes` is what is resident for a session, less the state that is counted."""

    ready_seconds: float
    resident_bytes: float
    session_bytes: float
    state_bytes: float
    growth_bytes: float


def measure(repository: Path, plan: Plan, progress: Callable[[], object] = int) -> Footprint:
    """Start servers one after the other. Raises ServerError, WorkloadError, SoloistError and grpc.RpcError."""
    settings = {"transport": plan.transport, "max_sessions": plan.sessions + 1, "workers": 1}
    ready, resident = [], []
    with _cached_bytecode():
        with serving(repository, settings):
            progress()  # what is read from disk and compiled once is no part of a start
        for _ in range(plan.starts):
            with serving(repository, settings) as server:
                asyncio.run(asyncio.sleep(_SETTLED_SECONDS))
                ready.append(server.ready_seconds)
                resident.append(_resident(server))
            progress()
        with serving(repository, settings) as server:
            session, state = asyncio.run(_session(server, plan))
            progress()
        with serving(repository, settings) as server:
            growth = asyncio.run(_growth(server, plan))
            progress()
    return Footprint(
        ready_seconds=statistics.median(ready),
        resident_bytes=statistics.median(resident),
        session_bytes=session,
        state_bytes=state,
        growth_bytes=growth,
    )


@contextmanager
def _cached_bytecode() -> Iterator[None]:
    """Let servers keep compiled modules, as installed ones do, whatever the environment says."""
    name = "PYTHONDONTWRITEBYTECODE"
    before = os.environ.pop(name, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before


async def _session(server: ServerProcess, plan: Plan) -> tuple[float, float]:
    """Return what a session holds beside its state, and the state, in bytes."""
    manifest = await _manifest(server, plan.model)
    frames = _sequences(manifest, 1)[0][:1]

    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)

        async def begin(number: int) -> None:
            await stub.ModelInfer(_first_step(plan.model, manifest, frames, sequence=number + 1))

        async def whole(_number: int) -> None:
            await stub.ModelInfer(_first_step(plan.model, manifest, frames, sequence=None))

        await _all(whole, _FIRST_REQUESTS)
        before = await _settled(server)
        await _all(begin, plan.sessions)
        held = await _settled(server) - before
        state = await asyncio.to_thread(lambda: MetricsPage.read(server.http).total("soloist_session_state_bytes"))
    return (held - state) / plan.sessions, state / plan.sessions


def _first_step(model: str, manifest: model_pb2.Model, frames: Array, *, sequence: int | None) -> oip.ModelInferRequest:
    """Return a request for the first frame of a sequence, or for a whole sequence of one frame."""
    request = oip.ModelInferRequest(model_name=model)
    name = manifest.signature.frames.name
    request.inputs.add(name=name, datatype=_OIP_TYPES[frames.dtype.name], shape=(1, *frames.shape))
    request.raw_input_contents.append(frames.tobytes())
    if sequence is not None:
        request.parameters["sequence_id"].int64_param = sequence
        request.parameters["sequence_start"].bool_param = True
    return request


async def _growth(server: ServerProcess, plan: Plan) -> float:
    """Return how many bytes the server has grown by requests of random lengths."""
    sequences = _sequences(await _manifest(server, plan.model), _LONGEST_FRAMES)
    requests = [pb.PredictRequest(model=plan.model, frames=_tensor(frames)) for frames in sequences]
    drawn = np.random.default_rng(0).integers(len(requests), size=_FIRST_REQUESTS + plan.requests).tolist()

    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = SequenceInferenceStub(channel)

        async def predict(number: int) -> None:
            await stub.Predict(requests[drawn[number]])

        await _all(predict, _FIRST_REQUESTS)
        before = await _settled(server)
        await _all(predict, plan.requests)
        return await _settled(server) - before


async def _all(call: Callable[[int], Awaitable[None]], count: int) -> None:
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))


async def _settled(server: ServerProcess) -> float:
    await asyncio.sleep(_SETTLED_SECONDS)
    return await asyncio.to_thread(_resident, server)


def _resident(server: ServerProcess) -> float:
    resident = MetricsPage.read(server.http).total("process_resident_memory_bytes")
    if not resident:
        raise ServerError("the server tells no process_resident_memory_bytes")
    return resident


async def _manifest(server: ServerProcess, model: str) -> model_pb2.Model:
    async with AsyncClient(server.grpc) as client:
        manifest = (await client.model(model)).manifest
    if manifest is None:
        raise WorkloadError(f"{model} can't be called")
    return manifest


def _sequences(manifest: model_pb2.Model, longest: int) -> list[Array]:
    """Return a sequence of every length up to `longest`."""
    sequence = synthetic_sequences(manifest, seed=0)[0]
    return [np.resize(sequence, (length, *sequence.shape[1:])) for length in range(1, longest + 1)]


def _tensor(frames: Array) -> tensor_pb2.Tensor:
    return tensor_pb2.Tensor(data_type=data_type_of(frames.dtype), shape=frames.shape, data=frames.tobytes())


def table(found: Footprint, plan: Plan) -> Table:
    """Lay the figures out."""
    shown = Table("", "", title=f"{plan.model}, {plan.transport}: what a server takes", title_justify="left")
    shown.columns[1].justify = "right"
    shown.add_row(f"ready, s (median of {plan.starts})", f"{found.ready_seconds:.2f}")
    shown.add_row(f"resident, MB (median of {plan.starts})", f"{found.resident_bytes / 1e6:.1f}")
    shown.add_row(f"a session of {plan.sessions} beside its state, bytes", f"{found.session_bytes:.0f}")
    shown.add_row("its state, bytes", f"{found.state_bytes:.0f}")
    shown.add_row(f"growth in {plan.requests} requests of random length, MB", f"{found.growth_bytes / 1e6:.1f}")
    return shown


@click.command()
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Models to serve. Default: one small model, trained for an epoch.",
)
@click.option("--model", default=MODEL, show_default=True, help="Model to ask.")
@click.option("--starts", type=click.IntRange(min=1), default=7, show_default=True, help="After one to warm up.")
@click.option("--sessions", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--requests", type=click.IntRange(min=1), default=100_000, show_default=True, help="Of random lengths.")
@click.option("--transport", type=click.Choice(["grpc", "httpunk"]), default="grpc", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(repository: Path | None, as_json: bool, **options: object) -> None:
    """Print how soon a server is ready, and its memory: at rest, for a session, and after many requests.

    Exit codes: 0 measured, 1 failed, 2 wrong usage.
    """
    plan = Plan(**options)  # type: ignore[arg-type]
    if repository is None and plan.model != MODEL:
        raise click.UsageError("--model needs --repository")
    try:
        with (
            small_model() if repository is None else nullcontext(repository) as models,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            task = progress.add_task("servers", total=plan.starts + 3)
            found = measure(models, plan, lambda: progress.advance(task))
    except grpc.RpcError as error:
        raise click.ClickException(str(from_rpc_error(error))) from error
    except (ServerError, SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json_text(asdict(found)))
    else:
        Console().print(table(found, plan))


if __name__ == "__main__":
    main(prog_name="python -m bench.footprint")
