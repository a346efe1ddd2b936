"""Open Inference sequences by id, over whatever replica: each request is sent until it is answered, always the same."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc

from bench.faults.label_reports import report
from bench.faults.streams import Script, split_sequences
from bench.faults.tally import Tally
from soloist import AsyncClient, SoloistError
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub

if TYPE_CHECKING:
    from bench.load_generator.workload import Array
    from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceAsyncStub

_ANSWER_SECONDS = 5.0  # until a request is sent again
_AGAIN_SECONDS = 0.2
_GIVE_UP_SECONDS = 90.0
# What says that a request may not have been answered. ABORTED: another replica has answered it meanwhile.
_AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
    }
)


class SequenceError(Exception):
    """A sequence ended too early."""


def _requests(model: str, chunks: Sequence[Array]) -> list[pb.ModelInferRequest]:
    """Return the requests of a sequence of its own, each with an id and its place."""
    name, first, requests = uuid.uuid4().hex, 0, []
    for number, chunk in enumerate(chunks):
        request = pb.ModelInferRequest(model_name=model, id=f"{name}-{number}")
        request.inputs.add(name="frames", datatype="FP32", shape=[1, *chunk.shape])
        request.raw_input_contents.append(chunk.tobytes())
        request.parameters["sequence_id"].string_param = name
        request.parameters["sequence_start"].bool_param = number == 0
        request.parameters["sequence_end"].bool_param = number == len(chunks) - 1
        request.parameters["sequence_first_frame"].int64_param = first
        requests.append(request)
        first += len(chunk)
    return requests


async def scripts(target: str, model: str) -> list[Script]:
    """Return sequences with the answers of an undisturbed run. Raises grpc.RpcError, WorkloadError."""
    found = []
    async with grpc.aio.insecure_channel(target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for chunks in split_sequences():
            answers = [_bits(await stub.ModelInfer(request)) for request in _requests(model, chunks)]
            found.append(Script(chunks=chunks, answers=answers))
    return found


class StoredCaller:
    """One sequence after the other, until it is told to end."""

    def __init__(self, target: str, client: AsyncClient, model: str, tally: Tally, *, pause_seconds: float) -> None:
        self._target = target
        self._client = client  # reports the labels
        self._model = model
        self._tally = tally
        self._pause_seconds = pause_seconds

    async def run(self, given: Sequence[Script], first: int, ended: asyncio.Event) -> None:
        """Send sequences from the `first` on; the one that has begun is completed."""
        place = first
        async with grpc.aio.insecure_channel(self._target) as channel:
            stub = GRPCInferenceServiceStub(channel)
            while not ended.is_set():
                try:
                    await self._send(stub, given[place % len(given)])
                except (SequenceError, SoloistError) as error:
                    self._tally.lost(error)
                place += 1

    async def _send(self, stub: GRPCInferenceServiceAsyncStub, script: Script) -> None:
        ids = []
        for request, expected in zip(_requests(self._model, script.chunks), script.answers, strict=True):
            began = time.monotonic()
            answer = await self._until_answered(stub, request)
            ids.append(answer.parameters["prediction_id"].string_param)
            self._tally.answered(ids[-1], same=_bits(answer) == expected, seconds=time.monotonic() - began)
            await asyncio.sleep(self._pause_seconds)
        self._tally.row.sequences += 1
        await report(self._client, ids, self._tally)

    async def _until_answered(
        self, stub: GRPCInferenceServiceAsyncStub, request: pb.ModelInferRequest
    ) -> pb.ModelInferResponse:
        until, sent = time.monotonic() + _GIVE_UP_SECONDS, 0
        while True:
            try:
                answer: pb.ModelInferResponse = await stub.ModelInfer(request, timeout=_ANSWER_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN or time.monotonic() > until:
                    raise SequenceError(f"request {request.id}: {error.code().name} {error.details()}") from error
                sent += 1
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            self._tally.row.resumed += bool(sent)
            return answer


def _bits(answer: pb.ModelInferResponse) -> bytes:
    return b"".join(answer.raw_output_contents)
