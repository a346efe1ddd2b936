"""The way of traces to their receiver, as OpenTelemetry's standard variables say: exporter, sampling, resource."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from service.app.settings import SettingsError
from service.app.span_counts import SpanCounts

_FLUSH_SECONDS = 1.0
# OpenTelemetry's own default.
_QUEUE_SIZE = 2048


class _CountedSpans(BatchSpanProcessor):
    """Spans on their way. What has no room is counted; OpenTelemetry would only log it."""

    def __init__(self, exporter: SpanExporter, counts: SpanCounts) -> None:
        self._most, self._counts = int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE) or _QUEUE_SIZE), counts
        super().__init__(_CountedExporter(exporter, counts), max_queue_size=self._most)

    def on_end(self, span: ReadableSpan) -> None:
        """Let a span wait for the next export, if there is room."""
        if span.context.trace_flags.sampled and self._counts.has_room(self._most):
            super().on_end(span)


class _CountedExporter(SpanExporter):
    def __init__(self, exporter: SpanExporter, counts: SpanCounts) -> None:
        self._exporter, self._counts = exporter, counts
        self.shutdown, self.force_flush = exporter.shutdown, exporter.force_flush  # type: ignore[method-assign]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        found = SpanExportResult.FAILURE
        try:
            found = self._exporter.export(spans)
        finally:
            self._counts.gone(len(spans), sent=found is SpanExportResult.SUCCESS)
        return found


@contextmanager
def exporting(counts: SpanCounts) -> Iterator[TracerProvider]:
    """Yield what makes tracers, as the OTEL_* variables say; when the block ends, spans that wait are sent.

    Raises:
        SettingsError: a variable asks for an exporter that isn't there.

    """
    exporter = _exporter()
    name = os.environ.get("OTEL_SERVICE_NAME", "soloist")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False)
    if exporter is not None:
        provider.add_span_processor(_CountedSpans(exporter, counts))
    try:
        yield provider
    finally:
        # A collector that doesn't answer must not hold up the end: what it hasn't taken by then is lost.
        flushing = threading.Thread(target=provider.shutdown, name="soloist-traces", daemon=True)
        flushing.start()
        flushing.join(_FLUSH_SECONDS)


def _exporter() -> SpanExporter | None:
    chosen = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or chosen == "none":
        return None
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    makers: Mapping[tuple[str, str], Callable[[], SpanExporter]] = {
        ("otlp", "grpc"): _over_grpc,
        ("otlp", "http/protobuf"): _over_http,
        ("console", protocol or "grpc"): ConsoleSpanExporter,
    }
    make = makers.get((chosen, protocol or "grpc"))
    if make is None:
        raise SettingsError(
            f"tracing: OTEL_TRACES_EXPORTER={chosen} with protocol {protocol}: take otlp with grpc or http/protobuf"
        )
    return make()


def _over_grpc() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _over_http() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
