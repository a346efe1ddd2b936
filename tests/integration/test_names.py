"""Every name that a caller chooses has a bound, wherever it stands, and nothing of it stays behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import admin_pb2, admin_pb2_grpc, norm_skew_pb2, norm_skew_pb2_grpc, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import CLOSE, Asker, asking, chunk, ones, opening, translated
from tests.integration.infer_requests import converse, infer, request, step, stub_of
from tests.integration.strict import ON_BOTH
from tests.integration.test_compression import peak_bytes
from tests.servers import RunningServer, eventually, running_server

MAX_BYTES = 256
LONG = "é" * 129  # 258 bytes, and half as many characters


def _typed(field: str) -> oip.ModelInferRequest:
    message = request()
    match field:
        case "InferInputTensor.name":
            message.inputs[0].name = LONG
        case "InferInputTensor.datatype":
            message.inputs[0].datatype = LONG
        case "InferRequestedOutputTensor.name":
            message.outputs.add(name=LONG)
        case "ParametersEntry.key":
            message.inputs[0].parameters[LONG].bool_param = True
        case "InferParameter.string_param":
            message.parameters["mine"].string_param = LONG
    return message


def _rollout() -> admin_pb2.UpdateRolloutRequest:
    return admin_pb2.UpdateRolloutRequest(model="sums", labels=[admin_pb2.VersionLabel(label=LONG, version=1)])


def _reflect(asker: Asker) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(asker.channel)
    list(stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(file_by_filename=LONG)])))


def _first(call: Any) -> None:
    next(call)


CASES: dict[str, tuple[str, Callable[[Asker], object]]] = {
    "model": ("PredictRequest.model", lambda asker: asker.predict(ones(3), model=LONG)),
    "version-label": (
        "GetModelRequest.version_label",
        lambda asker: asker.stub.GetModel(pb.GetModelRequest(model="sums", version_label=LONG)),
    ),
    "stream-model": ("Open.model", lambda asker: asker.converse(opening(LONG), CLOSE)),
    "stream-input": (
        "NamedTensor.name",
        lambda asker: asker.converse(
            opening(),
            pb.StreamRequest(chunk=pb.Chunk(frames=ones(3), inputs=[tensor_pb2.NamedTensor(name=LONG)])),
            CLOSE,
        ),
    ),
    "sibling": (
        "CompareRequest.siblings",
        lambda asker: asker.stub.Compare(pb.CompareRequest(model="sums", frames=ones(3), siblings=[LONG])),
    ),
    "oip-model": ("ModelInferRequest.model_name", lambda asker: infer(asker, request(model=LONG))),
    "oip-version": ("ModelInferRequest.model_version", lambda asker: infer(asker, request(version=LONG))),
    "oip-id": ("ModelInferRequest.id", lambda asker: infer(asker, request(name=LONG))),
    "oip-sequence": ("InferParameter.string_param", lambda asker: infer(asker, step(LONG, start=True))),
    "oip-stream": ("InferParameter.string_param", lambda asker: converse(asker, step(LONG, start=True))),
    **{
        f"oip-{field}": (field, lambda asker, field=field: infer(asker, _typed(field)))  # type: ignore[misc]
        for field in (
            "InferInputTensor.name",
            "InferInputTensor.datatype",
            "InferRequestedOutputTensor.name",
            "ParametersEntry.key",
            "InferParameter.string_param",
        )
    },
    "oip-ready": (
        "ModelReadyRequest.name",
        lambda asker: stub_of(asker).ModelReady(oip.ModelReadyRequest(name=LONG)),
    ),
    "oip-load": (
        "RepositoryModelLoadRequest.model_name",
        lambda asker: stub_of(asker).RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name=LONG)),
    ),
    "admin": (
        "LoadModelRequest.model",
        lambda asker: admin_pb2_grpc.AdminStub(asker.channel).LoadModel(admin_pb2.LoadModelRequest(model=LONG)),
    ),
    "rollout": ("VersionLabel.label", lambda asker: admin_pb2_grpc.AdminStub(asker.channel).UpdateRollout(_rollout())),
    "skew": (
        "GetNormSkewRequest.model",
        lambda asker: norm_skew_pb2_grpc.NormSkewStub(asker.channel).GetNormSkew(
            norm_skew_pb2.GetNormSkewRequest(model=LONG)
        ),
    ),
    "health": (
        "HealthCheckRequest.service",
        lambda asker: health_pb2_grpc.HealthStub(asker.channel).Check(health_pb2.HealthCheckRequest(service=LONG)),
    ),
    "health-watch": (
        "HealthCheckRequest.service",
        lambda asker: _first(
            health_pb2_grpc.HealthStub(asker.channel).Watch(health_pb2.HealthCheckRequest(service=LONG))
        ),
    ),
    "reflection": ("ServerReflectionRequest.file_by_filename", _reflect),
}


@ON_BOTH
@pytest.mark.parametrize("case", CASES)
def test_a_name_that_is_too_long_is_refused(asker: Asker, case: str) -> None:
    field, ask = CASES[case]
    with pytest.raises(SoloistError) as caught, translated():
        ask(asker)
    error = caught.value
    assert (error.code.name, error.reason) == ("INVALID_ARGUMENT", "NAME_TOO_LONG")
    assert error.facts == {"field": field, "bytes": str(len(LONG.encode())), "max_bytes": str(MAX_BYTES)}


@ON_BOTH
def test_a_name_at_the_bound_is_taken(asker: Asker) -> None:
    name = "é" * 128
    (answer,) = infer(asker, step(name, start=True, end=True, name=name))
    assert answer.id == name


@ON_BOTH
def test_tensors_have_another_bound_than_names(asker: Asker) -> None:
    assert asker.predict(ones(1000)).frame_count == 1000


MALFORMED = (b"\xff", b"\x0a\xff\xff", b"\x0a\x05ab", b"\x0f" * 300, b"\x0a" + 11 * b"\xff")


def _send(asker: Asker, path: str, raw: bytes) -> None:
    with translated():
        ask: Any = asker.channel.stream_stream(path, request_serializer=None, response_deserializer=None)
        list(ask(iter([raw]), timeout=30))


@ON_BOTH
@pytest.mark.parametrize("raw", MALFORMED)
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/grpc.health.v1.Health/Check", "grpc.health.v1.HealthCheckRequest"),
        ("/grpc.health.v1.Health/Watch", "grpc.health.v1.HealthCheckRequest"),
        (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "grpc.reflection.v1alpha.ServerReflectionRequest",
        ),
        ("/soloist.v1.SequenceInference/Predict", "soloist.v1.PredictRequest"),
        ("/inference.GRPCInferenceService/ModelInfer", "inference.ModelInferRequest"),
    ],
)
def test_bytes_that_are_no_message_are_told_so(strict: RunningServer, path: str, kind: str, raw: bytes) -> None:
    with asking(strict.grpc) as asker, pytest.raises(SoloistError) as caught:
        _send(asker, path, raw)
    error = caught.value
    assert (error.code.name, error.reason, error.facts) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE", {"expected": kind})
    assert "Traceback" not in strict.stderr.read_text()


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """A server that takes messages of the usual size."""
    folder = tmp_path_factory.mktemp("roomy")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, transport=transport) as server:
        yield server


def _many(message: Message, field: str) -> Message:
    """Repeat an empty element more often than is allowed."""
    for _ in range(10_001):
        getattr(message, field).add()
    return message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/inference.GRPCInferenceService/ModelInfer", _many(oip.ModelInferRequest(), "inputs")),
        ("/inference.GRPCInferenceService/ModelStreamInfer", _many(oip.ModelInferRequest(), "outputs")),
        ("/soloist.v1.SequenceInference/Predict", _many(pb.PredictRequest(), "inputs")),
        ("/soloist.v1.SequenceInference/Compare", _many(pb.CompareRequest(), "conditions")),
        (
            "/soloist.v1.SequenceInference/Predict",
            pb.PredictRequest(frames=tensor_pb2.Tensor(shape=[1] * (2**20 + 1))),
        ),
    ],
)
def test_what_would_take_long_to_parse_is_not_parsed(roomy: RunningServer, path: str, message: Message) -> None:
    with asking(roomy.grpc) as asker:
        with pytest.raises(SoloistError) as caught:
            _send(asker, path, message.SerializeToString())
        assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", "TOO_MANY_FIELDS")


def test_sequences_that_have_ended_leave_nothing(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with (
        running_server(tmp_path / "repository", tmp_path, session_idle_seconds=0.2) as server,
        asking(server.grpc) as asker,
    ):
        before = peak_bytes(server)
        for letter in range(20):
            with pytest.raises(SoloistError) as caught:
                infer(asker, step(chr(97 + letter) * 15_000_000, start=True))
            assert caught.value.reason == "NAME_TOO_LONG"
        for number in range(1000):
            infer(asker, step(f"{number:0256}", start=True))
        assert eventually(lambda: server.total("soloist_sessions_open") == 0)
        with pytest.raises(SoloistError) as caught:
            infer(asker, step(f"{999:0256}"))
        assert caught.value.reason == "SEQUENCE_EVICTED"
        # One message of 15 MB at a time, in its several forms.
        assert peak_bytes(server) - before < 200 * 2**20


@ON_BOTH
def test_names_do_not_reach_the_log_at_length(strict: RunningServer, asker: Asker) -> None:
    with pytest.raises(grpc.RpcError):
        asker.stub.Predict(pb.PredictRequest(model="x" * 10_000, frames=ones(1)))
    assert "x" * 300 not in strict.stderr.read_text()
    assert asker.converse(opening(), chunk(0, ones(1)), CLOSE)
