"""Traces as a real OpenTelemetry receiver gets them: of gRPC on both transports, of streams, of REST."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import CLOSE, asking, chunk, ones, opening
from tests.integration.traces import Receiver, attributes, receiving, receiving_over_http
from tests.servers import RunningServer, running_server

SPAN = "00f067aa0ba902b7"


def trace(number: int) -> str:
    return f"{0xABC0 + number:032x}"


def parent(number: int, *, sampled: bool = True) -> str:
    return f"00-{trace(number)}-{SPAN}-{'01' if sampled else '00'}"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def traced(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("traced")
    Sums(name="sums").write(folder / "repository")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.target)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        with running_server(folder / "repository", folder, transport=transport, tracing=True) as server:
            yield server


@pytest.fixture(autouse=True)
def _other_numbers(receiver: Receiver) -> None:
    receiver.exports.clear()


def test_a_call_is_a_span_and_its_parts_are_its_children(traced: RunningServer, receiver: Receiver) -> None:
    with asking(traced.grpc) as asker:
        request = pb.PredictRequest(model="sums", frames=ones(5))
        metadata = (("traceparent", parent(1)), ("authorization", "Bearer very-secret"))
        asker.stub.Predict(request, metadata=metadata, timeout=30)
    spans = receiver.spans(trace(1))
    assert set(spans) == {"soloist.v1.SequenceInference/Predict", "queue", "run", "encode"}
    call = spans.pop("soloist.v1.SequenceInference/Predict")
    assert call.parent_span_id.hex() == SPAN
    said = attributes(call)
    assert {said[name] for name in ("rpc.system.name", "rpc.response.status_code", "soloist.model")} == {
        *("grpc", "OK", "sums")
    }
    assert (said["soloist.frame_count"], said["network.peer.address"]) == (5, "127.0.0.1")
    for each in spans.values():
        assert each.parent_span_id == call.span_id
        assert call.start_time_unix_nano <= each.start_time_unix_nano <= each.end_time_unix_nano
        assert each.end_time_unix_nano <= call.end_time_unix_nano
    assert b"very-secret" not in b"".join(each.SerializeToString() for each in receiver.exports)
    assert b"soloist" in receiver.exports[0].resource_spans[0].resource.SerializeToString()


def test_chunks_of_a_stream_are_events_and_bounded(traced: RunningServer, receiver: Receiver) -> None:
    messages = [opening(), *(chunk(each, ones(1)) for each in range(200)), CLOSE]
    with asking(traced.grpc) as asker:
        list(asker.stub.Stream(iter(messages), metadata=(("traceparent", parent(2)),), timeout=30))
    (span,) = receiver.spans(trace(2)).values()
    assert {each.name for each in span.events} == {"chunk"}
    assert len(span.events) == 128
    assert attributes(span.events[0])["soloist.run_seconds"] > 0
    assert attributes(span)["soloist.frame_count"] == 200


def test_a_refused_call_names_its_reason(traced: RunningServer, receiver: Receiver) -> None:
    request = pb.PredictRequest(model="nobody", frames=ones(5))
    with asking(traced.grpc) as asker, pytest.raises(grpc.RpcError):
        asker.stub.Predict(request, metadata=(("traceparent", parent(3)),), timeout=30)
    (span,) = receiver.spans(trace(3)).values()
    assert attributes(span)["rpc.response.status_code"] == "NOT_FOUND"
    assert attributes(span)["error.type"] == "MODEL_NOT_FOUND"
    assert span.status.code == 0  # the caller's fault is none of the server's span


def test_rest(traced: RunningServer, receiver: Receiver) -> None:
    data = {"name": "frames", "datatype": "FP32", "shape": [1, 2, 2], "data": [1, 2, 3, 4]}
    connection = http.client.HTTPConnection(traced.http, timeout=30)
    body = json.dumps({"inputs": [data]})
    connection.request("POST", "/v2/models/sums/infer", body, {"Traceparent": parent(4)})
    assert connection.getresponse().status == 200
    connection.close()
    spans = receiver.spans(trace(4))
    said = attributes(spans["POST /v2/models/{model}/infer"])
    assert (said["http.route"], said["http.response.status_code"]) == ("/v2/models/{model}/infer", 200)
    assert "run" in spans


def test_who_sends_the_trace_decides_whether_it_is_kept(traced: RunningServer, receiver: Receiver) -> None:
    with asking(traced.grpc) as asker:
        request = pb.PredictRequest(model="sums", frames=ones(5))
        for number in (5, 6):
            metadata = (("traceparent", parent(number, sampled=number == 6)),)
            asker.stub.Predict(request, metadata=metadata, timeout=30)
    assert receiver.spans(trace(6))
    assert trace(5) not in {span.trace_id.hex() for span in receiver.all()}


def test_latencies_have_exemplars(traced: RunningServer) -> None:
    with asking(traced.grpc) as asker:
        request = pb.PredictRequest(model="sums", frames=ones(5))
        asker.stub.Predict(request, metadata=(("traceparent", parent(7)),), timeout=30)
    connection = http.client.HTTPConnection(traced.http, timeout=30)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    (line,) = [each for each in lines if f'trace_id="{trace(7)}"' in each]
    assert line.startswith('soloist_request_seconds_bucket{api="Predict"')
    assert traced.get("/metrics")[0] == 200


def test_what_waits_is_sent_at_the_end(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.target)
    with running_server(tmp_path / "repository", tmp_path, tracing=True) as server:
        with asking(server.grpc) as asker:
            request = pb.PredictRequest(model="sums", frames=ones(5))
            asker.stub.Predict(request, metadata=(("traceparent", parent(8)),), timeout=30)
        server.ask_to_stop()
        assert server.exit_code() == 0
    assert receiver.spans(trace(8))


def test_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with receiving_over_http() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.target)
        with (
            running_server(tmp_path / "repository", tmp_path, transport=transport, tracing=True) as server,
            asking(server.grpc) as asker,
        ):
            request = pb.PredictRequest(model="sums", frames=ones(5))
            asker.stub.Predict(request, metadata=(("traceparent", parent(9)),), timeout=30)
            spans = receiver.spans(trace(9))
            assert server.total("soloist_spans_left_out_total") == 0
    assert set(spans) == {"soloist.v1.SequenceInference/Predict", "queue", "run", "encode"}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_spans_that_nobody_takes_are_counted_and_delay_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    given = {"ENDPOINT": "http://127.0.0.1:1", "PROTOCOL": protocol}
    for name, value in given.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    with (
        running_server(tmp_path / "repository", tmp_path, tracing=True) as server,
        asking(server.grpc) as asker,
    ):
        for _ in range(20):  # four spans each; an export is tried for ten seconds
            asker.stub.Predict(pb.PredictRequest(model="sums", frames=ones(5)), timeout=5)
        assert server.total("soloist_spans_left_out_total") >= 20 * 4 - 8 - 2 * 4


def test_a_receiver_that_is_not_there_delays_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with running_server(tmp_path / "repository", tmp_path, tracing=True) as server:
        with asking(server.grpc) as asker:
            asker.predict(ones(5))
        server.ask_to_stop()
        assert server.exit_code() == 0
