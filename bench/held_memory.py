"""What sessions and requests leave in a server's memory: what it has resident afterwards, less what it had before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import grpc
import numpy as np

from bench.load_generator.workload import Array, WorkloadError, synthetic_sequences
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerError, ServerProcess
from soloist import AsyncClient
from soloist.data_types import data_type_of
from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub

if TYPE_CHECKING:
    from soloist.v1 import model_pb2

# The collector is spared what is loaded a second after that; memory is read later.
SETTLED_SECONDS = 1.5
# Before memory is compared, so that what every kind of request takes once is there.
_FIRST_REQUESTS = 1000
_AT_ONCE = 16
_LONGEST_FRAMES = 128
_OIP_TYPES = {"float32": "FP32", "int64": "INT64"}


async def session_bytes(server: ServerProcess, model: str, count: int) -> tuple[float, float]:
    """Return what a session holds beside its state, and the state, in bytes. Raises SoloistError and grpc.RpcError."""
    manifest = await _manifest(server, model)
    frames = _sequences(manifest, 1)[0][:1]

    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)

        async def begin(number: int) -> None:
            await stub.ModelInfer(_first_step(model, manifest, frames, sequence=number + 1))

        async def whole(_number: int) -> None:
            await stub.ModelInfer(_first_step(model, manifest, frames, sequence=None))

        await _all(whole, _FIRST_REQUESTS)
        before = await _settled(server)
        await _all(begin, count)
        held = await _settled(server) - before
        state = await asyncio.to_thread(lambda: MetricsPage.read(server.http).total("soloist_session_state_bytes"))
    return (held - state) / count, state / count


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


async def growth_bytes(server: ServerProcess, model: str, count: int) -> float:
    """Return how many bytes a server grows by requests of random lengths. Raises SoloistError and grpc.RpcError."""
    sequences = _sequences(await _manifest(server, model), _LONGEST_FRAMES)
    requests = [pb.PredictRequest(model=model, frames=_tensor(frames)) for frames in sequences]
    drawn = np.random.default_rng(0).integers(len(requests), size=_FIRST_REQUESTS + count).tolist()

    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = SequenceInferenceStub(channel)

        async def predict(number: int) -> None:
            await stub.Predict(requests[drawn[number]])

        await _all(predict, _FIRST_REQUESTS)
        before = await _settled(server)
        await _all(predict, count)
        return await _settled(server) - before


async def _all(call: Callable[[int], Awaitable[None]], count: int) -> None:
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))


async def _settled(server: ServerProcess) -> float:
    await asyncio.sleep(SETTLED_SECONDS)
    return await asyncio.to_thread(resident_bytes, server)


def resident_bytes(server: ServerProcess) -> float:
    """Return what a server has in memory. Raises ServerError."""
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
