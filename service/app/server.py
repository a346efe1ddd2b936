"""The running server: it starts, serves and drains."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import NoReturn

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics

from service.api.health import HEALTH, REFLECTION, health_methods, reflection_methods
from service.api.oip.api import open_inference
from service.api.v1.admin import admin
from service.api.v1.feedback import feedback_methods
from service.api.v1.norm_skew import norm_skew
from service.api.v1.sequence_inference import sequence_inference
from service.app.assembly import (
    Metrics,
    call_limits,
    connection_limits,
    make_feedback,
    make_oip_context,
    make_serving,
    make_shadows,
    make_skew,
)
from service.app.http_server import make_app, serving_http
from service.app.lifecycle import EXECUTORS, drain, leave, stop_signals
from service.app.logging_setup import LeftOut, LogLines, configure_logging
from service.app.metrics_page import MetricsPage
from service.app.model_repository import Loading
from service.app.process_resources import ProcessMetrics, max_connections, raise_limit, watch_event_loop
from service.app.settings import Settings, SettingsError, load_settings
from service.comparison import Comparisons
from service.core.addresses import at, is_unix, remove_socket
from service.core.failures import Failures, Worker, start_threads
from service.core.health import ADMIN, API, FEEDBACK, NORM_SKEW, OPEN_INFERENCE, Health
from service.engine.cancel_scope import run_time_limited
from service.observers.feedback.metrics import AccuracyGauges
from service.observers.live_check import live_check
from service.repository.layout import RepositoryError, model_folders
from service.repository.refcounts import Refcounts
from service.serving.prediction import Observer
from service.transport.active_calls import ActiveCalls
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter
from service.transport.grpc_server import serving_grpc

_log = structlog.get_logger("soloist.server")
_PUBLISHED = (API, OPEN_INFERENCE, FEEDBACK, ADMIN, NORM_SKEW, HEALTH, REFLECTION)
_FAILED = 1
_WRONG_USAGE = 2
# A worker needs the interpreter before and after each run. While the event loop is busy it gets it after so long, and
# with 5 ms, the usual time, workers are idle under overload while requests wait (`python -m bench.overload`).
_SWITCH_SECONDS = 0.0001


def main(flags: Mapping[str, object]) -> int:
    """Serve until a signal ends it; returns the exit code: 0 drained, 1 failed or cut short, 2 wrong settings."""
    try:
        settings = load_settings(flags)
    except SettingsError as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _WRONG_USAGE
    sys.setswitchinterval(_SWITCH_SECONDS)
    logs = configure_logging(level=settings.log_level, form=settings.log_format)
    try:
        asyncio.run(_serve(settings, logs))
    except (OSError, RepositoryError) as error:
        sys.stderr.write(f"soloist: {error}\n")
    return _FAILED


async def _serve(settings: Settings, logs: LogLines) -> NoReturn:
    model_folders(settings.repository)  # before anything is started
    descriptors = raise_limit()
    further = (FEEDBACK,) if settings.prediction_log is not None else ()
    health, calls, registry = Health(*further), ActiveCalls(), _registry()
    metrics = Metrics(registry)
    loop = asyncio.get_running_loop()
    failures = Failures(registry, lambda worker, why: loop.call_soon_threadsafe(health.fail, worker, why))
    process = ProcessMetrics(registry, workers=settings.workers)
    engine_name, comparison_name, decoder_name = EXECUTORS
    registry.register(LeftOut(logs))
    async with AsyncExitStack() as stack:
        # What has to end well does so on a thread: calls that come too late are told so meanwhile.
        ender, ending = stack.enter_context(_executor(1, "soloist-ender")), stack.enter_context(ExitStack())
        engine = stack.enter_context(_executor(settings.workers, engine_name))
        comparer = stack.enter_context(_executor(1, comparison_name))
        stop = stack.enter_context(stop_signals(settings.drain_seconds, logs))
        stack.enter_context(run_time_limited(settings.max_run_seconds, failures))
        decoder = stack.enter_context(_executor(1, decoder_name))
        check = ending.enter_context(
            live_check(
                settings.live_check_ratio,
                settings.repro_bundle_dir,
                settings.max_batch_frames,
                metrics.live_check,
                failures,
            )
        )
        refcounts = Refcounts()
        loading = Loading(settings, health, metrics.versions, refcounts)
        feedback = ending.enter_context(make_feedback(settings, metrics.feedback, failures))
        skew = ending.enter_context(make_skew(settings, metrics.skew, failures))
        answered, shadowed = ([feedback.log.answered], [feedback.log.shadowed]) if feedback else ([], [])
        shadows = ending.enter_context(
            make_shadows(settings, loading, metrics.shadow, failures, [*shadowed, skew.observe])
        )
        observers: list[Observer] = [failures.guard(Worker.SHADOW, shadows.observe)]
        observers += [failures.guard(Worker.PREDICTION_LOG, each) for each in answered]
        observers.append(failures.guard(Worker.SKEW, skew.observe))
        serving = make_serving(
            settings,
            loading,
            refcounts,
            engine,
            decoder,
            check,
            health,
            metrics,
            failures,
            observers,
        )
        loading.on_gone = serving.batcher.forget
        loading.on_failure = partial(failures.note, Worker.REPOSITORY, event="repository not followed")
        page = MetricsPage(registry, failures, kept_seconds=settings.metrics_cache_seconds)
        app = make_app(page, lambda: health.why_not_ready)
        http_port = stack.enter_context(serving_http(settings.host, settings.http_port, app, failures))
        adapter = GrpcAdapter(Boundary(calls, metrics.recorder), call_limits(settings))
        comparisons = Comparisons(comparer, max_comparisons=settings.max_concurrent_comparisons)
        context = make_oip_context(settings, serving, loading, health)
        services = (
            adapter.service(API, sequence_inference(serving, comparisons)),
            adapter.service(OPEN_INFERENCE, open_inference(context)),
            adapter.service(FEEDBACK, feedback_methods(feedback, loading.repository)),
            adapter.service(ADMIN, admin(loading.manager)),
            adapter.service(NORM_SKEW, norm_skew(loading.repository, skew)),
            adapter.service(HEALTH, health_methods(health)),
            adapter.service(REFLECTION, reflection_methods(_PUBLISHED)),
        )
        limits, most = connection_limits(settings), max_connections(descriptors)
        grpc_port = await stack.enter_async_context(
            serving_grpc(
                settings.host,
                settings.grpc_port,
                services,
                health,
                replace(limits, max_connections=max(1, min(limits.max_connections, most // len(settings.host)))),
            )
        )
        _log.info("open files", limit=descriptors, max_connections=most)
        loaded = _load(loading, settings.host, grpc_port, http_port)
        tasks = [
            asyncio.create_task(failures.supervise(Worker.REPOSITORY, loaded)),
            asyncio.create_task(failures.supervise(Worker.EVENT_LOOP, watch_event_loop(process.lag_seconds.observe))),
            asyncio.create_task(failures.supervise(Worker.ARRIVALS, adapter.arrivals.watch())),
        ]
        if feedback is not None:
            registry.register(AccuracyGauges(lambda: feedback.accuracy.latest))
            tasks.append(asyncio.create_task(failures.supervise(Worker.ACCURACY, feedback.accuracy.follow())))
        await stop.drain.wait()
        for task in tasks:
            task.cancel()
        loading.stop()
        in_time = await drain(stop, health, calls, serving.sessions, settings.drain_seconds)
        health.close()
        if feedback is not None:
            feedback.log.write_soon()  # before what else ends, which may take long
        await asyncio.get_running_loop().run_in_executor(ender, ending.close)
        for host in settings.host:
            remove_socket(host)
        _log.info("stopped")
        leave(0 if in_time else _FAILED, logs)


async def _load(loading: Loading, hosts: Sequence[str], grpc_port: int, http_port: int) -> None:
    following = asyncio.create_task(loading.follow())
    try:
        await loading.start()
    finally:
        _announce(hosts, grpc_port, http_port)
    await following


def _announce(hosts: Sequence[str], grpc_port: int, http_port: int) -> None:
    addresses = [f"grpc={at(host, grpc_port)}" for host in hosts]
    addresses += [f"http={at(host, http_port)}" for host in hosts if not is_unix(host)]
    with suppress(OSError):  # nobody reads
        sys.stdout.write(f"soloist: serving {' '.join(addresses)}\n")
        sys.stdout.flush()


def _registry() -> CollectorRegistry:
    # A series more for every counter and histogram, which nothing here reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has gaps in its types
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


@contextmanager
def _executor(threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        start_threads(executor, threads)
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
