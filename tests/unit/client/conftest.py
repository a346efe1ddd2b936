"""A small server that speaks the real protocol over a real channel, with two models that can be worked out by hand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from soloist import Timing
from soloist.v1 import model_pb2, sequence_inference_pb2_grpc, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from tests.unit.client import comparing

SUMS = model_pb2.Model(
    name="sums",
    version=3,
    labels=["left", "right"],
    signature=model_pb2.Signature(
        frames=tensor_pb2.TensorSpec(name="frames", data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[-1, -1, 2])
    ),
)
LETTERS = model_pb2.Model(
    name="letters",
    version=1,
    labels=["even", "odd"],
    signature=model_pb2.Signature(
        frames=tensor_pb2.TensorSpec(name="frames", data_type=tensor_pb2.DATA_TYPE_INT64, shape=[-1, -1]),
        text_encoding="utf8",
        token_count=256,
    ),
)
MODELS = {model.name: model for model in (SUMS, LETTERS)}


@dataclass
class Refusal:
    """A refusal that the server is to give."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = "no"
    facts: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeServer(sequence_inference_pb2_grpc.SequenceInferenceServicer):
    """Outputs are running sums: of the two features, or of even and odd tokens. What came in is kept."""

    target: str = ""
    refusals: deque[Refusal] = field(default_factory=deque)  # given one a call, to Predict and at Open
    requests: list[Any] = field(default_factory=list)
    messages: list[pb.StreamRequest] = field(default_factory=list)
    stream_ends: list[str] = field(default_factory=list)
    stream_ended: threading.Event = field(default_factory=threading.Event)
    held: threading.Event | None = None  # Predict waits for it
    chunks_before_answer: int = 1  # answers only once so many chunks have come
    refuse_frame: int | None = None  # a chunk that begins there is refused, so:
    frame_refusal: Refusal = field(default_factory=lambda: Refusal(grpc.StatusCode.ABORTED, "SESSION_IDLE"))
    silent_end: bool = False  # the stream ends, with status OK, instead of answering a chunk
    health: health.HealthServicer = field(default_factory=health.HealthServicer)

    def refuse(
        self, code: grpc.StatusCode, reason: str = "", message: str = "no", *, times: int = 1, **facts: str
    ) -> None:
        """Refuse the next calls so."""
        self.refusals.extend([Refusal(code, reason, message, facts)] * times)

    def Predict(self, request: pb.PredictRequest, context: Any) -> pb.PredictResponse:
        self.requests.append(request)
        self._refuse(context)
        if self.held is not None:
            self.held.wait(timeout=30)
        model = self._model(request.model, request.version, context)
        sums, _state = self._sums(model, request.frames, np.zeros(2, np.float32), context)
        return pb.PredictResponse(
            model=model.name,
            version=model.version,
            prediction_id=f"p{len(self.requests)}",
            frame_count=len(sums),
            outputs=_selected(sums, request.output_selection),
            classification=_classification(model, sums[-1]),
        )

    def Stream(self, request_iterator: Any, context: Any) -> Iterator[pb.StreamResponse]:
        end = "cut"
        try:
            for response in self._answers(request_iterator, context):
                if response.HasField("closed"):
                    end = "closed"
                yield response
        finally:
            self.stream_ends.append(end)
            self.stream_ended.set()

    def Compare(self, request: pb.CompareRequest, context: Any) -> pb.CompareResponse:
        self.requests.append(request)
        self._refuse(context)
        model = self._model(request.model, request.version, context)
        sums, _state = self._sums(model, request.frames, np.zeros(2, np.float32), context)
        outputs = _selected(sums, pb.OUTPUT_SELECTION_LAST)
        return comparing.answer(model, outputs, len(sums), request.conditions)

    def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:  # noqa: ARG002
        broken = pb.ModelStatus(
            name="broken", version=1, state=pb.MODEL_STATE_UNAVAILABLE, reason="model.onnx is truncated"
        )
        ready = [_ready(model) for model in sorted(MODELS.values(), key=lambda model: model.name)]
        return pb.ListModelsResponse(models=[broken, *ready])

    def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        self.requests.append(request)
        if request.model == "broken" and request.model not in MODELS:
            return pb.GetModelResponse(
                status=pb.ModelStatus(
                    name="broken", version=1, state=pb.MODEL_STATE_UNAVAILABLE, reason="model.onnx is truncated"
                )
            )
        model = self._model(request.model, request.version, context)
        return pb.GetModelResponse(status=_ready(model), model=model)

    def _answers(self, requests: Any, context: Any) -> Iterator[pb.StreamResponse]:
        model, state, frame_count, selection = SUMS, np.zeros(2, np.float32), 0, pb.OUTPUT_SELECTION_LAST
        last: pb.StreamResponse | None = None
        waiting: list[pb.StreamResponse] = []
        for message in requests:
            self.messages.append(message)
            if message.HasField("open"):
                self._refuse(context)
                model, selection = (
                    self._model(message.open.model, message.open.version, context),
                    (message.open.output_selection),
                )
                opened = pb.Opened(session_id="s1", model=model.name, version=model.version)
                if message.open.resume_tokens:
                    opened.resume_token = b"the beginning"
                yield pb.StreamResponse(opened=opened)
            elif message.HasField("close"):
                yield from waiting
                yield pb.StreamResponse(closed=pb.Closed(frame_count=frame_count))
                return
            elif self.silent_end:
                return
            elif last is not None and message.chunk.first_frame == last.result.first_frame:
                yield last
            else:
                self._check_order(message.chunk.first_frame, frame_count, context)
                sums, state = self._sums(model, message.chunk.frames, state, context)
                result = pb.ChunkResult(
                    prediction_id=f"c{frame_count}",
                    first_frame=frame_count,
                    frame_count=len(sums),
                    outputs=_selected(sums, selection),
                    classification=_classification(model, sums[-1]),
                )
                last = pb.StreamResponse(result=result)
                frame_count += len(sums)
                waiting.append(last)
                if len(waiting) >= self.chunks_before_answer:
                    yield waiting.pop(0)
        yield from waiting
        abort(context, Refusal(grpc.StatusCode.CANCELLED, "STREAM_CUT"))

    def _check_order(self, first_frame: int, expected: int, context: Any) -> None:
        if first_frame == self.refuse_frame:
            abort(context, self.frame_refusal)
        if first_frame != expected:
            facts = {"expected_first_frame": str(expected)}
            abort(context, Refusal(grpc.StatusCode.FAILED_PRECONDITION, "CHUNK_GAP", "There is a gap.", facts))

    def _refuse(self, context: Any) -> None:
        if self.refusals:
            abort(context, self.refusals.popleft())

    def _model(self, name: str, version: int, context: Any) -> model_pb2.Model:
        model = MODELS.get(name)
        if model is None:
            abort(context, Refusal(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "No such model.", {"model": name}))
        elif version not in (0, model.version):
            abort(context, Refusal(grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND"))
        assert model is not None
        return model

    def _sums(self, model: model_pb2.Model, tensor: tensor_pb2.Tensor, state: Any, context: Any) -> tuple[Any, Any]:
        if tensor.data_type != model.signature.frames.data_type:
            abort(context, Refusal(grpc.StatusCode.INVALID_ARGUMENT, "DATA_TYPE_MISMATCH"))
        if model is LETTERS:
            tokens = np.frombuffer(tensor.data, "<i8")
            frames = np.stack([tokens % 2 == 0, tokens % 2 == 1], axis=1).astype(np.float32)
        else:
            frames = np.frombuffer(tensor.data, "<f4").reshape(tuple(tensor.shape))
        sums = np.cumsum(np.concatenate([state[None], frames]), axis=0, dtype=np.float32)[1:]
        return sums, sums[-1]


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    servicer = FakeServer()
    with ThreadPoolExecutor(max_workers=8) as pool:
        server = grpc.server(pool)
        sequence_inference_pb2_grpc.add_SequenceInferenceServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(servicer.health, server)
        servicer.health.set("", health_pb2.HealthCheckResponse.SERVING)
        servicer.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield servicer
        server.stop(grace=None).wait()


@dataclass
class FakeTiming:
    """A clock that only sleeping moves; every pause is as long as it may be."""

    now_seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def timing(self) -> Timing:
        return Timing(
            monotonic=lambda: self.now_seconds,
            sleep=self._sleep,
            sleep_async=self._sleep_async,
            uniform=lambda _low, high: high,
        )

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_seconds += seconds

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)


@pytest.fixture
def clock() -> FakeTiming:
    return FakeTiming()


def abort(context: Any, refusal: Refusal) -> None:
    """End the call as the server does: a google.rpc.Status with an ErrorInfo, or a bare code without a reason."""
    if not refusal.reason:
        context.abort(refusal.code, refusal.message)
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(domain="soloist", reason=refusal.reason, metadata=refusal.facts))
    status = status_pb2.Status(code=refusal.code.value[0], message=refusal.message, details=[detail])
    rich = rpc_status.to_status(status)
    if "rewritten" in refusal.facts:  # as a proxy might: other words, the same details
        rich = rich._replace(details=refusal.facts["rewritten"])
    context.abort_with_status(rich)


def _selected(sums: Any, selection: pb.OutputSelection.ValueType) -> tensor_pb2.Tensor:
    chosen = sums if selection == pb.OUTPUT_SELECTION_EVERY_FRAME else sums[-1]
    return tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=chosen.shape, data=chosen.tobytes())


def _classification(model: model_pb2.Model, row: Any) -> pb.Classification:
    index = int(np.argmax(row))
    return pb.Classification(index=index, label=model.labels[index], confidence=0.75)


def _ready(model: model_pb2.Model) -> pb.ModelStatus:
    return pb.ModelStatus(name=model.name, version=model.version, state=pb.MODEL_STATE_READY)
