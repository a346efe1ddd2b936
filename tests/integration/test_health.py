"""Health for machines: grpc.health.v1 by model, reflection, and the probes on the HTTP port."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from soloist import Client
from tests.graphs import Sums
from tests.integration.drain import await_drain
from tests.integration.strict import ON_BOTH
from tests.servers import RunningServer, running_server

API = "soloist.v1.SequenceInference"
OPEN_INFERENCE = "inference.GRPCInferenceService"
FEEDBACK = "soloist.v1.Feedback"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
def channel(strict: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(strict.grpc) as channel:
        yield channel


@ON_BOTH
@pytest.mark.parametrize(
    ("service", "status"),
    [
        ("", SERVING),
        (API, SERVING),
        (OPEN_INFERENCE, SERVING),
        ("sums", SERVING),
        ("whole", SERVING),
        ("corrupt", NOT_SERVING),
    ],
)
def test_check_tells_of_the_server_the_api_and_every_model(channel: grpc.Channel, service: str, status: int) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == status


@ON_BOTH
def test_check_knows_no_others(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_watch_hears_of_the_drain_and_ends_with_the_server(tmp_path: Path, transport: str) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    names = ("", API, "sums", "nobody")
    with (
        running_server(tmp_path / "repository", tmp_path, transport=transport) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watches = {name: stub.Watch(health_pb2.HealthCheckRequest(service=name)) for name in names}
        first = {name: next(watch).status for name, watch in watches.items()}
        assert first == {"": SERVING, API: SERVING, "sums": SERVING, "nobody": UNKNOWN}
        with Client(server.grpc) as client, client.stream("sums"):
            server.ask_to_stop()
            await_drain(server)
            assert [next(watches[name]).status for name in names[:3]] == [NOT_SERVING] * 3
            check = stub.Check(health_pb2.HealthCheckRequest(service="sums"))
            assert check.status == NOT_SERVING
        assert [list(watch) for watch in watches.values()] == [[]] * 4
        assert server.exit_code() == 0


@ON_BOTH
@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_services_and_describes_them(
    channel: grpc.Channel, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client of the package speaks the older version only; both have the same messages.
    service = f"grpc.reflection.{version}.ServerReflection"
    monkeypatch.setattr(reflection_pb2_grpc, "ServerReflectionStub", partial(_ReflectionStub, service))
    database = ProtoReflectionDescriptorDatabase(channel)
    assert service in database.get_services()
    assert database.FindFileContainingSymbol(service).package == f"grpc.reflection.{version}"
    assert {API, OPEN_INFERENCE, FEEDBACK, "grpc.health.v1.Health"} <= set(database.get_services())
    assert database.FindFileContainingSymbol(OPEN_INFERENCE).package == "inference"
    (feedback,) = database.FindFileContainingSymbol(FEEDBACK).service
    assert {method.name for method in feedback.method if method.client_streaming} == {"ReportStream"}
    described = database.FindFileContainingSymbol(API)
    methods = {method.name for method in described.service[0].method}
    assert {"Predict", "Stream", "ListModels", "GetModel"} <= methods


class _ReflectionStub:
    """The generated stub, for a service of either version."""

    def __init__(self, service: str, channel: grpc.Channel) -> None:
        self.ServerReflectionInfo = channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )


def test_probes_and_unknown_pages(strict: RunningServer) -> None:
    assert strict.get("/healthz") == (200, "alive\n")
    assert strict.get("/readyz") == (200, "ready\n")
    assert strict.get("/models")[0] == 404
