"""The running server: it starts, serves and drains."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics

from service.addresses import at, is_unix
from service.assembly import make_feedback, make_parts, make_serving, make_shadows, make_skew
from service.feedback.gauges import AccuracyGauges
from service.handlers.admin import admin
from service.handlers.api import sequence_inference
from service.handlers.feedback import feedback_methods
from service.handlers.norm_skew import norm_skew
from service.health import ADMIN, API, FEEDBACK, NORM_SKEW, OPEN_INFERENCE, Health
from service.http_server import make_app, serving_http
from service.lifecycle import EXECUTORS, drain, leave, stop_signals
from service.live_check import live_check
from service.loading import Loading
from service.logging_setup import configure_logging
from service.metrics import Metrics
from service.oip.api import open_inference
from service.repository.layout import RepositoryError, model_folders
from service.settings import Settings, SettingsError, load_settings
from service.transport.active_calls import ActiveCalls
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter
from service.transport.grpc_server import serving_grpc
from service.uses import Uses

_FAILED = 1
_WRONG_USAGE = 2


def main(flags: Mapping[str, object]) -> int:
    """Serve until a signal ends it; returns the exit code: 0 drained, 1 failed or cut short, 2 wrong settings."""
    try:
        settings = load_settings(flags)
    except SettingsError as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _WRONG_USAGE
    configure_logging(level=settings.log_level, form=settings.log_format)
    try:
        code = asyncio.run(_serve(settings))
    except (OSError, RepositoryError) as error:
        sys.stderr.write(f"soloist: {error}\n")
        code = _FAILED
    leave(code)
    return code


async def _serve(settings: Settings) -> int:
    model_folders(settings.repository)  # before anything is started
    further = (FEEDBACK,) if settings.prediction_log is not None else ()
    health, calls, registry = Health(*further), ActiveCalls(), _registry()
    metrics = Metrics(registry)
    metrics.workers.set(settings.workers)
    engine_name, comparison_name, _ = EXECUTORS
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(_executor(settings.workers, engine_name))
        comparer = stack.enter_context(_executor(1, comparison_name))
        stop = stack.enter_context(stop_signals())
        check = stack.enter_context(
            live_check(settings.live_check_ratio, settings.capsule_dir, settings.max_batch_frames, metrics)
        )
        uses = Uses()
        loading = Loading(settings, health, metrics, uses)
        feedback = stack.enter_context(make_feedback(settings, metrics))
        skew = stack.enter_context(make_skew(settings, metrics))
        answered, shadowed = ([feedback.log.answered], [feedback.log.shadowed]) if feedback else ([], [])
        shadows = stack.enter_context(make_shadows(settings, loading, metrics, [*shadowed, skew.observe]))
        observers = [*answered, skew.observe]
        serving = make_serving(settings, loading, uses, engine, comparer, check, shadows, metrics, observers)
        loading.on_gone = serving.batcher.forget
        app = make_app(registry, lambda: health.why_not_ready)
        http_port = stack.enter_context(serving_http(settings.host, settings.http_port, app))
        adapter = GrpcAdapter(
            Boundary(calls, metrics), max_message_bytes=settings.max_message_bytes, idle_seconds=settings.idle_seconds
        )
        parts = make_parts(settings, serving, loading, health)
        services = (
            adapter.service(API, sequence_inference(serving)),
            adapter.service(OPEN_INFERENCE, open_inference(parts)),
            adapter.service(FEEDBACK, feedback_methods(feedback, loading.repository)),
            adapter.service(ADMIN, admin(loading.keeper)),
            adapter.service(NORM_SKEW, norm_skew(loading.repository, skew)),
        )
        grpc_port = await stack.enter_async_context(
            serving_grpc(
                settings.host,
                settings.grpc_port,
                services,
                health,
                max_message_bytes=settings.max_message_bytes,
                min_ping_interval_seconds=settings.min_ping_interval_seconds,
            )
        )
        tasks = [asyncio.create_task(_load(loading, settings.host, grpc_port, http_port))]
        if feedback is not None:
            registry.register(AccuracyGauges(lambda: feedback.accuracy.latest))
            tasks.append(asyncio.create_task(feedback.accuracy.follow()))
        await stop.drain.wait()
        for task in tasks:
            task.cancel()
        loading.stop()
        in_time = await drain(stop, health, calls, serving.sessions, settings.drain_seconds)
    return 0 if in_time else _FAILED


async def _load(loading: Loading, hosts: Sequence[str], grpc_port: int, http_port: int) -> None:
    following = asyncio.create_task(loading.follow())
    try:
        await loading.start()
    finally:
        _announce(hosts, grpc_port, http_port)
    await following


def _announce(hosts: Sequence[str], grpc_port: int, http_port: int) -> None:
    told = [f"grpc={at(host, grpc_port)}" for host in hosts]
    told += [f"http={at(host, http_port)}" for host in hosts if not is_unix(host)]
    sys.stdout.write(f"soloist: serving {' '.join(told)}\n")
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
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
