"""The running server: it starts, serves and drains."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from service.api.oip.rest_api import open_inference_rest
from service.app.access import access
from service.app.announcement import announce
from service.app.assembly import Base, Executors, Parts, assembled
from service.app.call_observers import call_observers
from service.app.certificates import port_certificates
from service.app.control import LogLevel, OwnControl
from service.app.core_dumps import forbid_core_dumps
from service.app.lifecycle import EXECUTORS, Stop, drain, leave, stop_signals
from service.app.limits import call_limits, client_shares, grpc_limits, http_limits
from service.app.logging_setup import LeftOut, LogLines, configure_logging
from service.app.member import Duties, Member
from service.app.metrics import Metrics, merges, new_registry
from service.app.metrics_page import MetricsPage
from service.app.model_repository import Loading
from service.app.own_answers import own_answers
from service.app.process_resources import ProcessMetrics, max_connections, raise_limit, watch_event_loop
from service.app.service_manager import ServiceManager
from service.app.services import pages, services
from service.app.settings import Settings, SettingsError
from service.app.spared import Sparing
from service.app.transports import serving_calls
from service.core.addresses import remove_socket
from service.core.client_shares import SharesView
from service.core.failures import Failures, Worker, start_threads
from service.core.health import FEEDBACK, Health
from service.engine.cancel_scope import run_time_limited
from service.observers.feedback.metrics import AccuracyGauges
from service.repository.layout import RepositoryError, model_folders
from service.transport.active_calls import ActiveCalls
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter
from service.transport.http.application import HttpApplication
from service.transport.http.calls import Calls
from service.transport.http.http_server import serving_http

if TYPE_CHECKING:
    from service.loading.trials import Trials

_log = structlog.get_logger("soloist.server")
_FAILED = 1
# A worker needs the interpreter before and after each run. While the event loop is busy it gets it after so long, and
# with 5 ms, the usual time, workers are idle under overload while requests wait (`python -m bench.overload`).
_SWITCH_SECONDS = 0.0001
Run = Callable[[Coroutine[Any, Any, Any]], Any]


def serve(run: Run, settings: Settings, trials: Trials | None, *, member: Member | None = None) -> str:
    """Serve until a signal ends the process; returns only if the server can't start, with the reason.

    Args:
        run: runs it on an event loop.
        settings: its settings.
        trials: what loads files on trial.
        member: this process as one of several of the server.

    """
    if not settings.core_dumps:
        forbid_core_dumps()
    sys.setswitchinterval(_SWITCH_SECONDS)
    logs = configure_logging(
        level=settings.log_level, form=settings.log_format, process=member.number if member is not None else 0
    )
    try:
        run(_serve(settings, logs, trials, member))
    except (OSError, RepositoryError, SettingsError) as error:
        return str(error)
    return ""


async def _serve(settings: Settings, logs: LogLines, trials: Trials | None, member: Member | None) -> NoReturn:
    model_folders(settings.repository)  # before anything is started
    open_files = raise_limit()
    loop, registry = asyncio.get_running_loop(), new_registry()
    registry.register(LeftOut(logs))
    health = Health(*([FEEDBACK] if settings.prediction_log is not None else []))
    failures = Failures(registry, lambda worker, why: loop.call_soon_threadsafe(health.fail, worker, why))
    base = Base(
        settings=settings,
        metrics=Metrics(registry),
        health=health,
        failures=failures,
        trials=trials,
        member=member,
    )
    process = ProcessMetrics(registry, workers=settings.workers)
    certificates = port_certificates(settings, registry)
    async with AsyncExitStack() as stack:
        # What has to end well does so on a thread: calls that come too late are refused meanwhile.
        ender, ending = stack.enter_context(_executor(1, "soloist-ender")), stack.enter_context(ExitStack())
        executors = _executors(stack, settings)
        stop = stack.enter_context(stop_signals(settings.drain_seconds, logs))
        stack.enter_context(run_time_limited(settings.max_run_seconds, failures))
        parts = ending.enter_context(assembled(base, executors))
        if parts.feedback is not None:
            feedback = parts.feedback
            registry.register(AccuracyGauges(lambda: feedback.accuracy.latest))
        number = member.number if member is not None else 0
        observers = ending.enter_context(call_observers(settings, registry, failures, process=number))
        base.metrics.recorder.observers = observers
        scraped = stack.enter_context(_executor(1, "soloist-metrics"))
        page = MetricsPage(registry, failures, scraped, kept_seconds=settings.metrics_cache_seconds)
        parts.models.on_settled = Sparing().soon
        allowed = access(settings, registry)
        calls = ActiveCalls()
        boundary = Boundary(calls, base.metrics.recorder)
        call_bounds = call_limits(settings)
        adapter = GrpcAdapter(boundary, call_bounds, parts.serving.batcher.on_the_way)
        rest = Calls(open_inference_rest(parts.oip), boundary, adapter.admission, call_bounds, allowed.http_guards)
        app = HttpApplication(pages(health, page, member, allowed), rest)
        control = OwnControl(LogLevel(settings.log_level), health, stop, calls)
        await stack.enter_async_context(_joined(member, stop, base, parts, page, control))
        service_manager = ServiceManager.of(os.environ)  # that of a member is its supervisor
        await stack.enter_async_context(service_manager.told(health.watch, lambda: health.why_not_ready))
        tasks = []
        if member is not None:
            tasks.append(_working(failures, Worker.REPOSITORY, _load(parts.models, member.loaded)))
            await member.may_listen(stop)
        listeners = len(settings.host) + (allowed.admin is not None)
        limits, of_grpc = http_limits(settings, open_files), grpc_limits(settings, open_files, listeners)
        registry.register(SharesView(client_shares(parts, adapter.admission, limits, of_grpc)))
        http_port = await stack.enter_async_context(
            serving_http(
                settings.host, settings.http_port, app, limits, failures, certificates.http, shared=member is not None
            )
        )
        listening = await stack.enter_async_context(
            serving_calls(
                settings, adapter, services(base, parts, control), health, of_grpc, certificates.grpc, allowed
            )
        )
        _log.info("open files", limit=open_files, max_connections=max_connections(open_files))
        if member is not None:
            member.listens()
        else:
            announced = partial(announce, settings.host, listening.port, http_port, service_manager, listening.admin)
            tasks.append(_working(failures, Worker.REPOSITORY, _load(parts.models, announced)))
        tasks.append(_working(failures, Worker.EVENT_LOOP, watch_event_loop(process.lag_seconds.observe)))
        tasks.append(_working(failures, Worker.ARRIVALS, adapter.arrivals.watch()))
        tasks.append(
            _working(failures, Worker.CERTIFICATES, certificates.follow(failures, settings.tls_reload_seconds))
        )
        if allowed.credentials is not None:
            tasks.append(_working(failures, Worker.ACCESS, allowed.credentials.follow()))
        tasks += _following(failures, parts, health)
        await stop.drain.wait()
        service_manager.stopping()
        for task in tasks:
            task.cancel()
        parts.models.stop()
        listening.go_away()
        parts.end_streams()
        in_time = await drain(stop, health, calls, parts.serving.sessions, settings.drain_seconds)
        health.close()
        if parts.feedback is not None:
            parts.feedback.log.write_soon()  # before what else ends, which may take long
        await loop.run_in_executor(ender, ending.close)
        if member is not None:
            await member.report_last()
        for host in (*settings.host, listening.admin):
            remove_socket(host)
        _log.info("stopped")
        leave(0 if in_time else _FAILED, logs)


def _joined(
    member: Member | None, stop: Stop, base: Base, parts: Parts, page: MetricsPage, control: OwnControl
) -> AbstractAsyncContextManager[None]:
    if member is None:
        return nullcontext()
    manager, report, answers = parts.models.manager, partial(page.report, merges()), own_answers(parts.oip, parts.skew)
    return member.joined(
        Duties(stop=stop, health=base.health, manager=manager, control=control.change, report=report, answers=answers)
    )


def _working(failures: Failures, worker: Worker, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(failures.supervise(worker, work))


def _following(failures: Failures, parts: Parts, health: Health) -> list[asyncio.Task[None]]:
    tasks = []
    if parts.feedback is not None:
        tasks.append(_working(failures, Worker.ACCURACY, parts.feedback.accuracy.follow()))
    if parts.resuming is not None:
        tasks.append(_working(failures, Worker.KEYS, parts.resuming.keys.follow()))
    if parts.storing is not None:
        tasks.append(_working(failures, Worker.SEQUENCE_STORE, parts.storing.follow(health)))
    return tasks


async def _load(loading: Loading, announced: Callable[[], Awaitable[None]]) -> None:
    following = asyncio.create_task(loading.follow())
    try:
        await loading.start()
    finally:
        await announced()
    await following


def _executors(stack: AsyncExitStack, settings: Settings) -> Executors:
    engine, comparison, decoder = EXECUTORS
    return Executors(
        engine=stack.enter_context(_executor(settings.workers, engine)),
        comparison=stack.enter_context(_executor(1, comparison)),
        decoder=stack.enter_context(_executor(1, decoder)),
    )


@contextmanager
def _executor(threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        start_threads(executor, threads)
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
