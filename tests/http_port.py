"""The HTTP port of a test: pages served on an event loop of its own, on a thread, until the block ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from prometheus_client import CollectorRegistry

from service.app.http_pages import http_pages
from service.app.metrics_page import MetricsPage
from service.core.failures import Failures, start_threads
from service.transport.http.application import HttpApplication
from service.transport.http.connections import HttpLimits
from service.transport.http.http_server import serving_http

MAX_CONNECTIONS = 32
LIMITS = HttpLimits(max_connections=MAX_CONNECTIONS, head_seconds=5.0)


@contextmanager
def serving_pages(
    registry: CollectorRegistry,
    failures: Failures,
    why_not_ready: Callable[[], str] = str,
    *,
    port: int = 0,
    kept_seconds: float = 0,
    clock: Callable[[], float] | None = None,
    limits: HttpLimits = LIMITS,
) -> Iterator[int]:
    """Yield the port of 127.0.0.1 that has the pages."""
    with ExitStack() as stack:
        scraped = stack.enter_context(ThreadPoolExecutor(1))
        start_threads(scraped, 1)
        clocks = {} if clock is None else {"clock": clock}
        page = MetricsPage(registry, failures, scraped, kept_seconds=kept_seconds, **clocks)
        app = HttpApplication(http_pages(page, why_not_ready))
        yield stack.enter_context(serving_application(app, failures, port=port, limits=limits))


@contextmanager
def serving_application(
    app: HttpApplication, failures: Failures, *, port: int = 0, limits: HttpLimits = LIMITS
) -> Iterator[int]:
    """Yield the port of 127.0.0.1 that has the application."""
    found: Future[int] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        try:
            async with serving_http(["127.0.0.1"], port, app, limits, failures) as bound:
                found.set_result(bound)
                await stop.wait()
        except OSError as error:
            found.set_exception(error)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found.result(timeout=30)
    finally:
        if not found.exception():
            loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=30)
