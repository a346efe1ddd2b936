"""What hears of every call, if the settings ask for it: the access log, and traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from service.app.access_log import AccessLog
from service.app.span_counts import SpanCounts
from service.core.failures import Failures, Worker

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from service.app.settings import Settings
    from service.serving.recorder import CallObserver


class _Guarded:
    """An observer whose failures are counted, and end no call."""

    def __init__(self, worker: Worker, observer: CallObserver, failures: Failures) -> None:
        self.answered = failures.guard(worker, observer.answered)
        self.ended = failures.guard(worker, observer.ended)


@contextmanager
def call_observers(
    settings: Settings, registry: CollectorRegistry, failures: Failures, *, process: int = 0
) -> Iterator[Sequence[CallObserver]]:
    """Yield the observers; when the block ends, what waits is written and sent, for a moment at most.

    Args:
        settings: say which there are.
        registry: where their metrics are registered.
        failures: count what goes wrong in them.
        process: which process of several this is; 0 if there is one.

    Raises:
        OSError: a file can't be opened.
        SettingsError: a variable of OpenTelemetry asks for what isn't there.

    """
    found: list[CallObserver] = []
    with ExitStack() as stack:
        if settings.access_log is not None:
            log = AccessLog(settings.access_log, process=process)
            stack.callback(log.flush)
            registry.register(log)
            found.append(_Guarded(Worker.ACCESS_LOG, log, failures))
        if settings.tracing:
            # OpenTelemetry, for those who asked for it.
            from service.app.trace_export import exporting
            from service.app.tracing import Tracing

            counts = SpanCounts()
            registry.register(counts)
            found.append(_Guarded(Worker.TRACING, Tracing(stack.enter_context(exporting(counts))), failures))
        yield found
