"""How long what a caller has sent stays in memory: no longer than its handler needs it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import grpc
import pytest

from service.access.need import INFER
from service.api.methods import UnaryMethod
from service.serving.batcher import OnTheWay
from service.serving.call import Call
from service.transport.active_calls import ActiveCalls
from service.transport.admission import CallLimits
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter
from soloist.v1.sequence_inference_pb2 import PredictRequest, PredictResponse
from soloist.v1.tensor_pb2 import Tensor
from tests.unit.service.conftest import Meter
from tests.unit.service.test_boundary import FakeContext

LIMITS = CallLimits(max_message_bytes=2**22, idle_seconds=10.0)


class Sent(FakeContext):
    """A call whose caller sends one message."""

    def __init__(self, message: bytes) -> None:
        super().__init__()
        self._messages: list[Any] = [message, grpc.aio.EOF]

    async def read(self) -> Any:
        return self._messages.pop(0)


@pytest.mark.parametrize("size", [10, 2**21])
async def test_nobody_but_the_handler_keeps_a_request(meter: Meter, size: int) -> None:
    references = 0

    async def predict(_call: Call, request: PredictRequest) -> PredictResponse:
        nonlocal references
        await asyncio.sleep(0)  # as one that waits for its run
        references = sys.getrefcount(request)
        return PredictResponse(frame_count=len(request.frames.data))

    boundary = Boundary(ActiveCalls(), meter.metrics.recorder)
    adapter = GrpcAdapter(boundary, LIMITS, OnTheWay(0.0))
    method = UnaryMethod(name="Predict", request=PredictRequest, need=INFER, handler=predict)
    answer = adapter.answers("soloist.v1.SequenceInference", [method])["/soloist.v1.SequenceInference/Predict"]
    request = PredictRequest(frames=Tensor(data=bytes(size))).SerializeToString()

    found = await answer(None, cast("Any", Sent(request)))

    assert PredictResponse.FromString(found or b"").frame_count == size
    assert references == 2  # the handler's own, and that of the question
