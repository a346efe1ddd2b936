"""Owns a server inside the test's process whose model runs when the test says so: for what depends on being busy.

Everything but the engine is real: handlers, batcher, sessions, transport, channel, metrics over HTTP.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from service.api.oip.api import open_inference
from service.api.oip.context import OipContext
from service.api.oip.rest_api import open_inference_rest
from service.api.oip.sequences import Sequences
from service.api.v1.sequence_inference import sequence_inference
from service.app.http_pages import http_pages
from service.app.metrics import Metrics
from service.app.metrics_page import MetricsPage
from service.app.settings import load_settings
from service.app.transports import serving_calls
from service.comparison import Comparisons
from service.core.failures import Failures
from service.core.health import API, OPEN_INFERENCE, Health
from service.loading.servable import Servable
from service.repository import Entry, Repository, RepositoryManager
from service.repository.layout import Location
from service.repository.loading_threads import Threads
from service.repository.model_folder import VersionPolicy
from service.serving.batcher import Answer, Batcher, BatchLimits
from service.serving.inference import InputLimits, Serving
from service.serving.sessions import Sessions
from service.transport.active_calls import ActiveCalls
from service.transport.admission import CallLimits
from service.transport.boundary import Boundary
from service.transport.connection_limits import ConnectionLimits
from service.transport.grpc_adapter import GrpcAdapter
from service.transport.http.application import HttpApplication
from service.transport.http.calls import Calls
from service.transport.http.connections import HttpLimits
from service.transport.http.http_server import serving_http
from tests.servables import GatedRunner, servable
from tests.servers import Observed

MAX_QUEUED = 2
MAX_HTTP_CONNECTIONS = 8
_MESSAGE_BYTES = 2**20
_READY, _LOADING = "gated", "loading"


@dataclass(frozen=True, kw_only=True)
class GatedServer(Observed):
    """Where it listens, the runner of its model "gated", and what keeps its model "loading" from being loaded."""

    grpc: str
    runner: GatedRunner
    loaded: threading.Event
    arrivals: threading.Semaphore

    def await_arrivals(self, count: int) -> None:
        """Wait until so many more calls or chunks stand in the queue or have left it."""
        for _ in range(count):
            assert self.arrivals.acquire(timeout=30)


@dataclass(frozen=True, kw_only=True)
class _WatchedServing(Serving):
    """Tells of everything that is about to be queued, in the same turn of the event loop."""

    arrivals: threading.Semaphore

    async def infer_row(self, *args: Any, **named: Any) -> Answer:
        self.arrivals.release()
        return await super().infer_row(*args, **named)


@dataclass
class _Parts:
    """What the test's thread and the server's share."""

    runner: GatedRunner
    transport: str
    max_joined_chunks: int = 1
    max_connection_bytes: int = 2**28
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    loaded: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    arrivals: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    port: int = 0
    http_port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    stop: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.registry)
        self.failures = Failures(self.registry)

    def load(self, location: Location) -> Servable:
        if location.name == _LOADING:
            assert self.loaded.wait(timeout=60)
        return servable(self.runner, name=location.name, sliced=self.max_joined_chunks > 1)


@contextmanager
def gated_server(
    transport: str, *, max_joined_chunks: int = 1, max_connection_bytes: int = 2**28
) -> Iterator[GatedServer]:
    """Serve on free ports with one worker, until the block ends. The gate is open at first."""
    parts = _Parts(
        runner=GatedRunner(),
        transport=transport,
        max_joined_chunks=max_joined_chunks,
        max_connection_bytes=max_connection_bytes,
    )
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(4))
        thread = threading.Thread(target=lambda: asyncio.run(_serve(parts, threads)))
        thread.start()
        assert parts.started.wait(timeout=30)
        try:
            yield GatedServer(
                grpc=f"127.0.0.1:{parts.port}",
                http=f"127.0.0.1:{parts.http_port}",
                runner=parts.runner,
                loaded=parts.loaded,
                arrivals=parts.arrivals,
            )
        finally:
            parts.runner.gate.set()
            parts.loaded.set()
            assert parts.loop is not None
            assert parts.stop is not None
            parts.loop.call_soon_threadsafe(parts.stop.set)
            thread.join(timeout=30)


async def _serve(parts: _Parts, threads: Executor) -> None:
    parts.loop, parts.stop = asyncio.get_running_loop(), asyncio.Event()
    metrics = parts.metrics
    serving = _serving(parts, threads, metrics)
    ready = [Location(name=_READY, version=1, path=Path())]
    loads = Threads("loads", at_once=2, seconds=60)
    await serving.repository.loads.load(ready, loads)
    boundary = Boundary(ActiveCalls(), metrics.recorder)
    limits = CallLimits(
        max_message_bytes=_MESSAGE_BYTES, idle_seconds=60, max_connection_bytes=parts.max_connection_bytes
    )
    adapter = GrpcAdapter(boundary, limits, serving.batcher.on_the_way)
    sequences = Sequences(serving.sessions, idle_seconds=60)
    manager = RepositoryManager(Path("nowhere"), serving.repository, VersionPolicy(), loads=loads, looks=loads)
    parts_of_oip = OipContext(serving=serving, sequences=sequences, manager=manager, health=Health(), max_rows=8)
    services = {
        API: sequence_inference(serving, Comparisons(threads, max_comparisons=1)),
        OPEN_INFERENCE: open_inference(parts_of_oip),
    }
    settings = load_settings(
        {"repository": Path("nowhere"), "transport": parts.transport, "host": ["127.0.0.1"], "grpc_port": 0}
    )
    page = MetricsPage(parts.registry, parts.failures, threads, kept_seconds=0)
    rest = Calls(open_inference_rest(parts_of_oip), boundary, adapter.admission, limits)
    app, connections = HttpApplication(http_pages(page, str), rest), HttpLimits(max_connections=MAX_HTTP_CONNECTIONS)
    async with (
        serving_calls(
            settings, adapter, services, Health(), ConnectionLimits(max_message_bytes=_MESSAGE_BYTES)
        ) as listening,
        serving_http(["127.0.0.1"], 0, app, connections, parts.failures) as parts.http_port,
    ):
        parts.port = listening.port
        loading = asyncio.create_task(
            serving.repository.loads.load([Location(name=_LOADING, version=1, path=Path())], loads)
        )
        await asyncio.sleep(0)  # one turn: the model is known, and not loaded
        parts.started.set()
        await parts.stop.wait()
        await loading


def _serving(parts: _Parts, threads: Executor, metrics: Metrics) -> Serving:
    def on_change(entry: Entry) -> None:
        if entry.servable is not None:
            metrics.versions.prepare(entry.servable.manifest, entry.servable.certificate)

    limits = BatchLimits(
        workers=1, max_batch_size=8, max_batch_frames=1024, max_slice_frames=256, max_queued=MAX_QUEUED
    )
    return _WatchedServing(
        arrivals=parts.arrivals,
        repository=Repository(parts.load, on_change),
        sessions=Sessions(max_sessions=100, max_state_bytes=2**20, metrics=metrics.sessions),
        batcher=Batcher(threads, limits, on_run=metrics.recorder.ran),
        recorder=metrics.recorder,
        limits=InputLimits(
            max_frames=1000,
            max_chunk_frames=2000,
            allow_non_finite=False,
            idle_seconds=60,
            max_joined_chunks=parts.max_joined_chunks,
            max_joined_frames=4000,
        ),
    )
