"""A clock that only waiting moves, and a small server in the same event loop that speaks the real protocol."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import numpy as np
import pytest

from soloist.v1 import model_pb2, sequence_inference_pb2_grpc, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb

T = TypeVar("T")


class FakeClock:
    """Time stands still while anything can run, then jumps to the next sleeper's."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    async def sleep_until(self, at_seconds: float) -> None:
        if at_seconds > self._now:
            woken = asyncio.Event()
            heapq.heappush(self._sleepers, (at_seconds, next(self._order), woken))
            await woken.wait()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end; nothing in it may wait for anything but this clock."""
        task = asyncio.ensure_future(work)
        while True:
            for _turn in range(20):
                await asyncio.sleep(0)
            if task.done():
                return task.result()
            self._now, _, woken = heapq.heappop(self._sleepers)
            woken.set()


@dataclass
class FakeServer(sequence_inference_pb2_grpc.SequenceInferenceServicer):
    """Echoes how many frames came; refuses the calls whose number, from 0, is in `refused`."""

    target: str = ""
    refused: set[int] = field(default_factory=set)
    predicted: list[int] = field(default_factory=list)
    streamed: list[list[int]] = field(default_factory=list)
    calls: int = 0
    under_way: int = 0
    stalls: bool = False  # a call never ends
    leaks: bool = False  # an answer tells how many calls came before it

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:  # noqa: ARG002
        status = pb.ModelStatus(name=request.model, version=1, state=pb.MODEL_STATE_READY)
        frames = tensor_pb2.TensorSpec(name="frames", data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[-1, -1, 3])
        model = model_pb2.Model(name=request.model, version=1, signature=model_pb2.Signature(frames=frames))
        return pb.GetModelResponse(status=status, model=model)

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:  # noqa: ARG002
        return pb.ListModelsResponse()

    async def Compare(self, request: pb.CompareRequest, context: Any) -> pb.CompareResponse:  # noqa: ARG002
        return pb.CompareResponse()

    async def Predict(self, request: pb.PredictRequest, context: Any) -> pb.PredictResponse:
        await self._count(context)
        self.predicted.append(request.frames.shape[0])
        self.under_way += 1
        await asyncio.sleep(0)
        outputs = _outputs(request.frames)
        if self.leaks:  # what an answer alone can never be: another number each time
            outputs.data = np.float32(self.calls).tobytes()
        self.under_way -= 1
        return pb.PredictResponse(model=request.model, version=1, outputs=outputs)

    async def Stream(self, requests: AsyncIterator[pb.StreamRequest], context: Any) -> AsyncIterator[Any]:
        await self._count(context)
        lengths: list[int] = []
        async for request in requests:
            if request.HasField("open"):
                yield pb.StreamResponse(opened=pb.Opened(session_id="s", model=request.open.model, version=1))
            elif request.HasField("chunk"):
                frames = request.chunk.frames
                lengths.append(frames.shape[0])
                result = pb.ChunkResult(frame_count=frames.shape[0], outputs=_outputs(frames))
                yield pb.StreamResponse(result=result)
            else:
                self.streamed.append(lengths)
                yield pb.StreamResponse(closed=pb.Closed(frame_count=sum(lengths)))

    async def _count(self, context: Any) -> None:
        self.calls += 1
        if self.stalls:
            await asyncio.Event().wait()
        if self.calls - 1 in self.refused:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")


def _outputs(frames: tensor_pb2.Tensor) -> tensor_pb2.Tensor:
    data = np.float32(frames.shape[0]).tobytes()
    return tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[1], data=data)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    servicer = FakeServer()
    server = grpc.aio.server()
    sequence_inference_pb2_grpc.add_SequenceInferenceServicer_to_server(servicer, server)
    servicer.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield servicer
    await server.stop(grace=None)
