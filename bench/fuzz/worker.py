"""One process that sends: its share of the numbers, many calls at once, and reports now and then."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.fuzz.inputs import InputGenerator
from bench.fuzz.methods import all_methods
from bench.fuzz.sender import Sender, connect
from soloist.oip.grpc_service_pb2 import ModelInferResponse
from soloist.v1.sequence_inference_pb2 import PredictResponse

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from bench.fuzz.outcome import Outcome
    from bench.fuzz.script import Kind, Script
    from bench.fuzz.server_facts import ServerFacts

_REPORT_SECONDS = 0.25
# One answer in so many is read for its id.
_READ_EVERY = 16


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one process sends: inputs `first`, `first` + `stride`, … until `messages` were sent."""

    target: str
    facts: ServerFacts
    first: int
    stride: int
    messages: int
    seed: int
    kinds: Sequence[Kind]
    concurrency: int


@dataclass(kw_only=True)
class WorkerReport:
    """What has come since the last: messages sent, calls by (method, code, reason), and inputs that did harm."""

    messages: int = 0
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    harmful: list[tuple[Script, Outcome]] = field(default_factory=list)
    done: bool = False
    error: str = ""


def work(task: Task, reports: Queue[WorkerReport]) -> None:
    """Send a share of the inputs; the entry point of a process."""
    try:
        asyncio.run(_Worker(task, reports).run())
    except BaseException as error:
        reports.put(WorkerReport(done=True, error="".join(traceback.format_exception(error))))
        raise
    reports.put(WorkerReport(done=True))


class _Worker:
    def __init__(self, task: Task, reports: Queue[WorkerReport]) -> None:
        self._task, self._reports = task, reports
        self._number = task.first
        self._messages = self._answers = 0
        self._since = WorkerReport()
        self._reported_at = time.monotonic()

    async def run(self) -> None:
        facts = self._task.facts
        methods = list(all_methods().values())
        generator = InputGenerator(methods, facts, self._task.kinds, seed=self._task.seed)
        async with connect(self._task.target) as channel:
            sender = Sender(channel, lambda path, data: self._learn(facts, path, data))
            async with asyncio.TaskGroup() as group:
                for _ in range(self._task.concurrency):
                    group.create_task(self._send(generator, sender))
        self._report()

    async def _send(self, generator: InputGenerator, sender: Sender) -> None:
        while self._messages < self._task.messages:
            script = generator.draw(self._number)
            self._number += self._task.stride
            # One that says nothing is an input, too.
            messages = max(1, script.messages)
            self._messages += messages
            self._since.messages += messages
            for outcome in await sender.send(script):
                self._since.outcomes[script.path, outcome.code, outcome.reason] += 1
                if outcome.fault:
                    self._since.harmful.append((script, outcome))
            if time.monotonic() - self._reported_at > _REPORT_SECONDS:
                self._report()

    def _report(self) -> None:
        self._reports.put(self._since)
        self._since, self._reported_at = WorkerReport(), time.monotonic()

    def _learn(self, facts: ServerFacts, path: str, data: bytes) -> None:
        self._answers += 1
        if self._answers % _READ_EVERY:
            return
        if path.endswith("/Predict"):
            facts.prediction_ids.append(PredictResponse.FromString(data).prediction_id)
        elif path.endswith("/ModelInfer"):
            ids = ModelInferResponse.FromString(data).parameters["prediction_id"].string_param
            facts.prediction_ids.extend(ids.split(","))
