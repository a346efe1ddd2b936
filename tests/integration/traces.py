"""Owns a real receiver of OpenTelemetry's protocol, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.servers import eventually


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """What was exported: spans by name, as messages, and everything as bytes."""

    def __init__(self) -> None:
        self.target = ""
        self.exports: list[pb.ExportTraceServiceRequest] = []

    def Export(self, request: pb.ExportTraceServiceRequest, context: object) -> pb.ExportTraceServiceResponse:  # noqa: ARG002
        self.exports.append(request)
        return pb.ExportTraceServiceResponse()

    def spans(self, trace_id: str) -> dict[str, Any]:
        """Wait for the spans of a trace: for that of the call, which ends last. Its parts may be exported before it."""
        assert eventually(lambda: any(span.kind == Span.SPAN_KIND_SERVER for span in self._of(trace_id)))
        return {span.name: span for span in self._of(trace_id)}

    def _of(self, trace_id: str) -> list[Any]:
        return [span for span in self.all() if span.trace_id.hex() == trace_id]

    def all(self) -> list[Any]:
        """Return every span that has come."""
        return [
            span
            for export in list(self.exports)
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive what is exported to `target`, until the block ends."""
    receiver, threads = Receiver(), ThreadPoolExecutor(2)
    server = grpc.server(threads)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    receiver.target = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
        threads.shutdown()


class _OverHttp(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        request = pb.ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        self.receiver.exports.append(request)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(pb.ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiving_over_http() -> Iterator[Receiver]:
    """Receive what is exported to `target` over HTTP, until the block ends."""
    receiver = Receiver()
    handler = type("Handler", (_OverHttp,), {"receiver": receiver})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        receiver.target = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def attributes(span: Any) -> dict[str, Any]:
    """Return the attributes of a span or an event."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
