"""The supervisor of several processes: ports, signals, the metrics of all, and what one process asks of the others."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Final, NoReturn

import structlog
from prometheus_client import CollectorRegistry, Metric, ProcessCollector, disable_created_metrics
from prometheus_client.registry import Collector

from service.app.announcement import announce
from service.app.control import LogLevel, ask_to_stop
from service.app.core_dumps import forbid_core_dumps
from service.app.lifecycle import END_SECONDS, Stop, leave, stop_signals
from service.app.logging_setup import LeftOut, LogLines, configure_logging
from service.app.metrics_page import MetricsPage
from service.app.service_manager import ServiceManager
from service.core.addresses import at, host_and_port
from service.core.failures import Failures
from service.core.metrics import CounterFamily, Family, Start
from service.processes.changes import Changes, gathered
from service.processes.channel import DONE, Message
from service.processes.group import Group, StartError
from service.processes.process import Process
from service.processes.reports import Report, Retired, decoded, encoded, merged
from service.processes.reserved_ports import reserved_port

if TYPE_CHECKING:
    from service.app.settings import Settings

_log = structlog.get_logger("soloist.processes")
_FAILED = 1
_PROCESS = "service.app.process"
# A process ends by itself within the time of the drain and END_SECONDS; one that hangs is killed so long after.
_PATIENCE_SECONDS = 1.0
# So much of a core goes into reports that nobody asks for: what a process that dies has counted since its last is lost.
_CORE_RATIO = 0.01
_REPORT_SECONDS, _LONGEST_REPORT_SECONDS = 1.0, 30.0
_SCRAPE_SECONDS = 5.0

RESTARTS = CounterFamily(
    name="soloist_process_restarts_total",
    text="Processes of the server that died and were started again; without --processes there is no such series.",
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (RESTARTS,)


def supervise(settings: Settings) -> int:
    """Serve with several processes until a signal ends it; returns the exit code only if the server can't start."""
    if not settings.core_dumps:
        forbid_core_dumps()
    logs = configure_logging(level=settings.log_level, form=settings.log_format)
    try:
        asyncio.run(_supervise(settings, logs))
    except StartError as error:
        sys.stderr.write(f"soloist: {error}\n")
        return max(_FAILED, error.exit_code)
    except OSError as error:
        sys.stderr.write(f"soloist: {error}\n")
    return _FAILED


async def _supervise(settings: Settings, logs: LogLines) -> NoReturn:
    with ExitStack() as ports:
        grpc_port = ports.enter_context(reserved_port(settings.host, settings.grpc_port))
        http_port = ports.enter_context(reserved_port(settings.host, settings.http_port))
        settings = settings.model_copy(update={"grpc_port": grpc_port, "http_port": http_port})
        admin = settings.admin_address
        if admin is not None:
            host, port = host_and_port(admin)
            admin = at(host, ports.enter_context(reserved_port((host,), port)))
            settings = settings.model_copy(update={"admin_address": admin})
        async with AsyncExitStack() as stack:
            end_seconds = END_SECONDS + 2 * _PATIENCE_SECONDS
            stop = stack.enter_context(stop_signals(settings.drain_seconds, logs, end_seconds=end_seconds))
            manager = ServiceManager.of(os.environ)
            await stack.enter_async_context(manager.told())
            supervisor = Supervisor(settings, logs, stop)
            stack.push_async_callback(supervisor.group.end)
            reporting = asyncio.create_task(supervisor.report())
            await supervisor.begin(stop)
            if not stop.drain.is_set():
                await announce(settings.host, grpc_port, http_port, manager, admin or "")
                manager.status(f"{settings.processes} processes serve")
            await supervisor.group.watch(stop.drain)
            manager.stopping()
            reporting.cancel()
            _log.info("draining", processes=settings.processes, drain_seconds=settings.drain_seconds)
            in_time = await supervisor.group.drain(
                stop.now,
                within_seconds=settings.drain_seconds + END_SECONDS + _PATIENCE_SECONDS,
                cut_seconds=END_SECONDS + _PATIENCE_SECONDS,
            )
            _log.info("stopped")
    leave(0 if in_time else _FAILED, logs)


class Supervisor:
    """The parts of a supervisor. Belongs to the event loop."""

    def __init__(self, settings: Settings, logs: LogLines, stop: Stop) -> None:
        self._stop = stop
        self._log_level = LogLevel(settings.log_level)
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has gaps in its types
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        self._own.register(LeftOut(logs))
        restarts = RESTARTS.on(self._own)
        failures = Failures(self._own)
        values = json.dumps(settings.model_dump(mode="json")).encode()
        self.group = Group(
            count=settings.processes,
            start=lambda number, again: Process.start(number, _PROCESS, values, self._answer, is_again=again),
            restarted=restarts.inc,
        )
        self._changes = Changes(self.group)
        self._loop = asyncio.get_running_loop()
        shown = CollectorRegistry()
        shown.register(_Merged(self._reports))
        scraped = ThreadPoolExecutor(1, thread_name_prefix="soloist-metrics")
        self._page = MetricsPage(shown, failures, scraped, kept_seconds=settings.metrics_cache_seconds)

    async def begin(self, stop: Stop) -> None:
        """Start all processes, and return when each knows that all have loaded their models, or at a signal.

        Raises:
            StartError: one has ended before.
            OSError: one could not be started.

        """
        beginning, stopping = asyncio.create_task(self.group.begin()), asyncio.create_task(stop.drain.wait())
        await asyncio.wait((beginning, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not beginning.done():
            beginning.cancel()
            return
        beginning.result()
        await self.group.tell_readiness()

    async def report(self) -> None:
        """Ask for reports for ever, so that little of what a process has counted is lost when it dies."""
        while True:
            began = time.monotonic()
            await self.group.reports()
            busy_seconds = time.monotonic() - began
            await asyncio.sleep(min(_LONGEST_REPORT_SECONDS, max(_REPORT_SECONDS, busy_seconds / _CORE_RATIO)))

    def _reports(self) -> tuple[list[Report], Retired]:
        """Return the reports of all, this process included; called on the thread of a scrape."""
        reports, retired = asyncio.run_coroutine_threadsafe(self.group.reports(), self._loop).result(_SCRAPE_SECONDS)
        return [*reports, decoded(encoded(self._own.collect(), {}))], retired

    async def _answer(self, number: int, message: Message) -> Message:
        """Answer a message of a process."""
        process = self.group.running[number]
        match message.kind:
            case "state":
                process.why_not_ready = message.facts["why"]
                await self.group.tell_readiness()
            case "loaded":
                await self._changes.catch_up(process)
            case "up":
                self.group.is_up(process)
                await self.group.tell_readiness()
            case "report":
                process.report = decoded(message.body)
            case "failed":
                process.failure = message.facts["why"]
            case "page":
                headers, body = await self._page.fetch(**message.facts)
                return Message(kind="page", facts=dict(headers), body=body)
            case "change":
                self._log_level.follow(message.facts)
                return await self._changes.make(number, message.facts)
            case "stop":
                ask_to_stop(self._stop)
            case "gather":
                return await gathered(self.group, number, message)
        return DONE


class _Merged(Collector):
    """The metrics of all processes, collected on the thread of a scrape."""

    def __init__(self, reports: Callable[[], tuple[list[Report], Retired]]) -> None:
        self._reports = reports

    def collect(self) -> Iterator[Metric]:
        """Return every metric."""
        return merged(*self._reports())

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the metrics aren't known yet, and asking for them now would wait for this thread."""
        return iter(())
