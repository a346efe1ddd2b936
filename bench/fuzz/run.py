"""One run: a server of its own, processes that send, and what came of it all."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.fuzz.findings import Findings
from bench.fuzz.sender import Sender, connect
from bench.fuzz.server_facts import read_server_facts
from bench.fuzz.server_health import faults_at_the_end, resident_mebibytes
from bench.fuzz.worker import Task, WorkerReport, work
from bench.server.process import ServerProcess, serving
from bench.server.redis import redis

if TYPE_CHECKING:
    from bench.fuzz.outcome import Outcome
    from bench.fuzz.script import Kind, Script

TRANSPORTS = ("grpc", "httpunk")
_IDLE_SECONDS = 5
_PATIENCE_SECONDS = 60.0
_PARTS = 10  # of a run, after each of which the server's memory is looked at
# Its writes wait for a disk that everything else here uses, too.
_STORE_SECONDS = 4
# All that goes on behind calls goes on for every one of them.
_SETTINGS = {
    "live_check_ratio": "1",
    "skew_probe_ratio": "1",
    "skew_keep_sequences": "16",
    "repository_poll_seconds": "0",
    "session_idle_seconds": str(_IDLE_SECONDS),
    # A connection that is closed for pinging would fail calls that did nothing.
    "min_ping_interval_seconds": "0",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is sent, by how many processes, each with so many calls at once.

    With `stored` sequences are kept in a Redis of the run's own.
    """

    repository: Path
    messages: int
    seed: int
    kinds: Sequence[Kind]
    processes: int
    concurrency: int
    out: Path
    transport: str = TRANSPORTS[0]
    stored: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run; `faults` are the server's, beside the inputs in `findings`.

    `memory` is the server's, in MiB: before, after each tenth of the inputs, and at the end.
    """

    messages: int
    seconds: float
    outcomes: Counter[tuple[str, str, str]]
    findings: Findings
    faults: Sequence[str]
    memory: Sequence[float]

    @property
    def is_clean(self) -> bool:
        """Return whether no input did harm."""
        return not (self.findings.counts or self.faults)


@contextmanager
def fuzzed_server(
    copy: Path, repository: Path, transport: str, log: Path, more: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """Serve the `copy` of a repository with everything on that a server can do beside answering. Raises ServerError.

    `more` are further settings.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(repository, copy)  # labels are changed, and kept there
    settings = {**_SETTINGS, "transport": transport, "prediction_log": f"{copy.parent}/predictions.db", **(more or {})}
    with serving(copy, settings, log=log) as server:
        yield server


@contextmanager
def _copied(repository: Path, transport: str, log: Path, *, stored: bool = False) -> Iterator[ServerProcess]:
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        more = _sequence_store(folder, stack.enter_context(redis(folder))) if stored else None
        yield stack.enter_context(fuzzed_server(folder / "repository", repository, transport, log, more))


def _sequence_store(folder: Path, url: str) -> dict[str, str]:
    """Return the settings of a store whose states are sealed. With keys there are resume tokens, too."""
    keys = folder / "keys"
    command = [sys.executable, "-m", "soloist.cli.main", "keys", "new", str(keys), "--after-seconds", "0"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own list
    return {"sequence_store": url, "sequence_store_timeout_seconds": str(_STORE_SECONDS), "keys_file": str(keys)}


def run(plan: Plan, on_progress: Callable[[int, int], None]) -> Result:
    """Send all inputs; `on_progress` hears how many messages were sent, and how many inputs did harm.

    Raises:
        ServerError: the server didn't start.
        NoRedisError: there is no Redis, and one is wanted.
        ValueError: it has no models.

    """
    log = plan.out / "server.log"
    with _copied(plan.repository, plan.transport, log, stored=plan.stored) as server:
        memory = [resident_mebibytes(server)]
        findings, outcomes = Findings(folder=plan.out), Counter[tuple[str, str, str]]()
        began, sent, errors = time.monotonic(), 0, []
        for report in _reports(server.grpc, plan):
            sent += report.messages
            outcomes.update(report.outcomes)
            for script, outcome in report.harmful:
                findings.take(script, outcome)
            errors += [f"a process that sends ended: {report.error}"] if report.error else []
            on_progress(sent, findings.counts.total())
            if _PARTS * sent >= len(memory) * plan.messages:
                memory.append(resident_mebibytes(server))
        seconds = time.monotonic() - began
        faults = errors + faults_at_the_end(server, log, patience_seconds=_PATIENCE_SECONDS)
        memory.append(resident_mebibytes(server))
    return Result(
        messages=sent,
        seconds=seconds,
        outcomes=outcomes,
        findings=findings,
        faults=faults,
        memory=memory,
    )


def replay(script: Script, repository: Path, transport: str, log: Path, *, stored: bool = False) -> list[Outcome]:
    """Send one input to a server of its own. Raises ServerError and NoRedisError."""

    async def send(target: str) -> list[Outcome]:
        async with connect(target) as channel:
            return await Sender(channel, lambda _path, _data: None).send(script)

    with _copied(repository, transport, log, stored=stored) as server:
        return asyncio.run(send(server.grpc))


def _reports(target: str, plan: Plan) -> Iterator[WorkerReport]:
    facts = read_server_facts(target)
    # gRPC can't be forked.
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    processes = [
        context.Process(
            target=work,
            args=(
                Task(
                    target=target,
                    facts=facts,
                    first=index,
                    stride=plan.processes,
                    messages=-(-plan.messages // plan.processes),
                    seed=plan.seed,
                    kinds=plan.kinds,
                    concurrency=plan.concurrency,
                ),
                reports,
            ),
            daemon=True,
        )
        for index in range(plan.processes)
    ]
    for process in processes:
        process.start()
    working = len(processes)
    while working:
        report: WorkerReport = reports.get()
        working -= report.done
        yield report
    for process in processes:
        process.join()
