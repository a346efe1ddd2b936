"""Traces of calls by OpenTelemetry: spans are made when a call has ended, of times that are measured anyway.

So a call that isn't traced costs nothing but the decision, and one that is costs nothing until its answer is encoded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from opentelemetry import propagate
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from service.transport.http.statuses import HTTP_STATUSES
from soloist.oip import grpc_service_pb2
from soloist.v1 import admin_pb2, feedback_pb2, norm_skew_pb2, sequence_inference_pb2

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from service.serving.batcher import Answer
    from service.serving.call import Call

_APIS = (sequence_inference_pb2, admin_pb2, feedback_pb2, norm_skew_pb2, grpc_service_pb2)
# As many as OpenTelemetry keeps of a span's events by default.
_MOST_REQUESTS = 128
# The codes that are the server's fault, by the semantic conventions of gRPC.
_FAULTS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
# Probes ask every few seconds, and reflection is a tool's question.
_UNTRACED = {"Check", "Watch", "ServerReflectionInfo", "ServerLive", "ServerReady"}
_Attributes = dict[str, str | int | float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """One request that was answered: when, in time.perf_counter(), and how long each part of it took."""

    at: float
    seconds: float
    decode_seconds: float
    queue_seconds: float
    run_seconds: float
    encode_seconds: float
    batch_size: int


class Tracing:
    """A maker of spans (service.serving.recorder.CallObserver). Belongs to the event loop."""

    def __init__(self, provider: TracerProvider) -> None:
        """Create it; `provider` samples spans, and exports them."""
        self._tracer = provider.get_tracer("soloist", metadata.version("soloist"))
        services = [service for each in _APIS for service in each.DESCRIPTOR.services_by_name.values()]
        self._services = {method.name: service.full_name for service in services for method in service.methods}

    def answered(
        self,
        call: Call,
        answers: Sequence[Answer],
        *,
        seconds: float,
        decode_seconds: float,
        encode_seconds: float,
    ) -> None:
        """Keep the times of a request; of a long stream those of the latest chunks."""
        slowest = max(answers, key=lambda each: each.queue_seconds + each.compute_seconds)
        if call.trace is None:
            call.trace = deque(maxlen=_MOST_REQUESTS)
        call.trace.append(
            _Request(
                at=time.perf_counter(),
                seconds=seconds,
                decode_seconds=decode_seconds,
                queue_seconds=slowest.queue_seconds,
                run_seconds=slowest.compute_seconds,
                encode_seconds=encode_seconds,
                batch_size=slowest.batch_size,
            )
        )

    def ended(self, call: Call, code: str, seconds: float) -> Mapping[str, str] | None:
        """Make the spans of a call, if it is sampled; return what a metric names it by."""
        if call.api in _UNTRACED:
            return None
        # The clock that the times were measured by, and that of the spans.
        offset_ns = time.time_ns() - time.perf_counter_ns()
        end = time.perf_counter()
        stamp = _Stamp(offset_ns)
        span = self._tracer.start_span(
            self._name(call),
            context=propagate.extract(_Carrier(call)),
            kind=SpanKind.SERVER,
            attributes=self._attributes(call, code),
            start_time=stamp(end - seconds),
        )
        if not span.is_recording():
            return None
        if call.reason or code in _FAULTS:
            span.set_attribute("error.type", call.reason or code)
        if code in _FAULTS:
            span.set_status(Status(StatusCode.ERROR, call.reason or code))
        self._add_requests(span, call.trace or (), stamp, end, is_stream="Stream" in call.api)
        span.end(stamp(end))
        found = span.get_span_context()
        return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}

    def _name(self, call: Call) -> str:
        return call.route or self._method(call)

    def _method(self, call: Call) -> str:
        return f"{self._services.get(call.api, 'soloist')}/{call.api}"

    def _attributes(self, call: Call, code: str) -> _Attributes:
        found: _Attributes = {"soloist.frame_count": call.frame_count}
        if call.route:
            verb, _, path = call.route.partition(" ")
            status = HTTP_STATUSES.get(code, 200)
            found |= {"http.request.method": verb, "http.route": path, "http.response.status_code": status}
        else:
            found |= {"rpc.system.name": "grpc", "rpc.method": self._method(call), "rpc.response.status_code": code}
        found |= _peer(call.peer)
        known = {"model": call.model, "version": call.version, "reason": call.reason, "session_id": call.session_id}
        return found | {f"soloist.{name}": value for name, value in known.items() if value}

    def _add_requests(
        self, span: Span, requests: Sequence[_Request], stamp: _Stamp, end: float, *, is_stream: bool
    ) -> None:
        """Add the requests of a call: an event for each chunk of a stream, else a span for each part of the request."""
        if is_stream:
            for each in requests:
                span.add_event("chunk", _times(each), stamp(each.at))
            return
        context = set_span_in_context(span)
        for each in requests:
            self._add_parts(context, each, stamp, end)

    def _add_parts(self, context: Context, request: _Request, stamp: _Stamp, end: float) -> None:
        began = request.at - request.seconds
        queued = began + request.decode_seconds
        ran = queued + request.queue_seconds
        done = ran + request.run_seconds
        parts = [("queue", queued, ran), ("run", ran, done), ("encode", min(done, end), end)]
        if request.decode_seconds:
            parts.insert(0, ("decode", began, queued))
        for name, start, stop in parts:
            attributes: _Attributes = {"soloist.batch_size": request.batch_size} if name == "run" else {}
            self._tracer.start_span(name, context, attributes=attributes, start_time=stamp(start)).end(stamp(stop))


class _Stamp:
    """A change of clocks: seconds of time.perf_counter() to nanoseconds since 1970."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns

    def __call__(self, seconds: float) -> int:
        return self._offset_ns + int(seconds * 1e9)


class _Carrier(Mapping[str, str]):
    """The texts of a caller's metadata, read when something asks for one. Names are compared in lower case."""

    def __init__(self, call: Call) -> None:
        self._texts = {name: value for name, value in (call.read_metadata() or ()) if isinstance(value, str)}

    def __getitem__(self, name: str) -> str:
        return self._texts[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def _times(request: _Request) -> _Attributes:
    return {
        "soloist.seconds": request.seconds,
        "soloist.queue_seconds": request.queue_seconds,
        "soloist.run_seconds": request.run_seconds,
        "soloist.batch_size": request.batch_size,
    }


def _peer(peer: str) -> _Attributes:
    """Return the attributes of a peer as gRPC writes it: "ipv4:127.0.0.1:5"."""
    _, _, rest = peer.partition(":")
    address, colon, port = rest.rpartition(":")
    if not colon or not port.isdecimal():
        return {"network.peer.address": rest} if rest else {}
    address = address.strip("[]")
    return {"client.address": address, "network.peer.address": address, "network.peer.port": int(port)}
