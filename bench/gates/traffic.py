"""Honest traffic: many calls and messages over one connection, large ones, compressed ones, and large metadata."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import grpc
import numpy as np

from bench.gates.target import GateError, Target, require
from soloist import AsyncClient, Client
from soloist.oip import grpc_service_pb2, grpc_service_pb2_grpc
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import sequence_inference_pb2_grpc, tensor_pb2

Tick = Callable[[int], None]

_CONCURRENCY = 32
_GROWN_MEBIBYTES = 20
_WARM = 500
_MESSAGE_BYTES = 16 * 2**20
_METADATA_BYTES = {"grpc": 2**14, "httpunk": 2**16}
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]


def many_calls(target: Target, count: int, tick: Tick) -> str:
    """Make so many calls over one connection."""

    async def call() -> tuple[float, float]:
        async with grpc.aio.insecure_channel(target.grpc, options=_OPTIONS) as channel:
            stub = grpc_service_pb2_grpc.GRPCInferenceServiceStub(channel)

            async def some(calls: int) -> None:
                for made in range(calls):
                    await stub.ServerLive(grpc_service_pb2.ServerLiveRequest())
                    if made % 100 == 99:
                        tick(100)

            await some(_WARM)
            before = target.mebibytes()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_CONCURRENCY):
                    tasks.create_task(some(count // _CONCURRENCY))
            return before, target.mebibytes()

    return _flat(*asyncio.run(call()))


def many_messages(target: Target, count: int, tick: Tick) -> str:
    """Send so many messages of one stream, each of one frame."""

    async def call() -> tuple[float, float]:
        async with AsyncClient(target.grpc) as client, client.stream(target.model) as stream:
            before = 0.0
            for sent in range(_WARM + count):
                frame = target.frames[sent % len(target.frames)]
                await stream.send(frame[None])
                if sent == _WARM:
                    before = target.mebibytes()
                if sent % 100 == 99:
                    tick(100)
            return before, target.mebibytes()

    return _flat(*asyncio.run(call()))


def large_messages(target: Target, count: int, tick: Tick) -> str:
    """Send messages of 16 MiB, which are read whole, and larger ones, which are refused by their heads."""
    with grpc.insecure_channel(target.grpc, options=_OPTIONS) as channel:
        stub = sequence_inference_pb2_grpc.SequenceInferenceStub(channel)
        for _ in range(count):
            for size, code in ((_MESSAGE_BYTES - 100, "INVALID_ARGUMENT"), (_MESSAGE_BYTES, "RESOURCE_EXHAUSTED")):
                frames = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[1, 1], data=bytes(size))
                asked = pb.PredictRequest(model=target.model, frames=frames)
                found = _code(partial(stub.Predict, asked, timeout=60))
                require(found == code, f"{size} bytes ended with {found}, not {code}")
            tick(1)
    return f"{count} of 16 MiB read, {count} above refused"


def compressed(target: Target, _count: int, _tick: Tick) -> str:
    """Send gzip: answered with the same bits, or refused where the transport can't bound it."""
    frames = np.ascontiguousarray(target.frames, np.float32)
    asked = pb.PredictRequest(
        model=target.model,
        frames=tensor_pb2.Tensor(
            data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=list(frames.shape), data=frames.tobytes()
        ),
    )
    with Client(target.grpc) as client, grpc.insecure_channel(target.grpc, options=_OPTIONS) as channel:
        expected = client.predict(target.model, target.frames).outputs.tobytes()
        stub = sequence_inference_pb2_grpc.SequenceInferenceStub(channel)
        for how in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            if target.transport == "grpc":
                found = _code(partial(stub.Predict, asked, compression=how))
                require(found == "UNIMPLEMENTED", f"ended with {found}")
            else:
                require(stub.Predict(asked, compression=how).outputs.data == expected, "other bits")
    return "refused" if target.transport == "grpc" else "gzip and deflate, the same bits"


def metadata(target: Target, _count: int, _tick: Tick) -> str:
    """Send metadata of all sizes: served whole below the bound, refused above, never cut."""
    limit = _METADATA_BYTES[target.transport]
    with grpc.insecure_channel(target.grpc, options=_OPTIONS) as channel:
        stub = grpc_service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for size in (1_000, limit // 2, limit + 1_000, 10 * limit, 2**20 + 1_000):
            fields = (("large", "x" * size),)
            found = _code(partial(stub.ServerLive, grpc_service_pb2.ServerLiveRequest(), metadata=fields))
            require((found == "OK") == (size < limit), f"{size} bytes ended with {found}")
    return f"served below {limit} bytes, refused above"


def _flat(before: float, after: float) -> str:
    if after > before + _GROWN_MEBIBYTES:
        raise GateError(f"memory grew from {before:.0f} to {after:.0f} MiB")
    return f"{before:.0f} to {after:.0f} MiB"


def _code(call: Callable[[], object]) -> str:
    try:
        call()
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"
