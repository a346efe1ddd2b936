"""One process that sends: its share of the numbers, many calls at once, and what came of them told now and then."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.fuzz.drawing import Drawing
from bench.fuzz.methods import all_methods
from bench.fuzz.sending import Sender, connect
from soloist.oip.grpc_service_pb2 import ModelInferResponse
from soloist.v1.sequence_inference_pb2 import PredictResponse

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from bench.fuzz.known import Known
    from bench.fuzz.outcome import Outcome
    from bench.fuzz.script import Kind, Script

_TELL_SECONDS = 0.25
# One answer in so many is read for its id.
_READ_EVERY = 16


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one process sends: inputs `first`, `first` + `stride`, … until `messages` were sent."""

    target: str
    known: Known
    first: int
    stride: int
    messages: int
    seed: int
    kinds: Sequence[Kind]
    concurrency: int


@dataclass(kw_only=True)
class News:
    """What has come since the last: messages sent, calls by (method, code, reason), and inputs that did harm."""

    messages: int = 0
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    harmful: list[tuple[Script, Outcome]] = field(default_factory=list)
    done: bool = False
    error: str = ""


def work(task: Task, news: Queue[News]) -> None:
    """Send a share of the inputs; the entry point of a process."""
    try:
        asyncio.run(_Worker(task, news).run())
    except BaseException as error:
        news.put(News(done=True, error="".join(traceback.format_exception(error))))
        raise
    news.put(News(done=True))


class _Worker:
    def __init__(self, task: Task, news: Queue[News]) -> None:
        self._task, self._news = task, news
        self._number = task.first
        self._messages = self._answers = 0
        self._since = News()
        self._told_at = time.monotonic()

    async def run(self) -> None:
        known = self._task.known
        methods = list(all_methods().values())
        drawing = Drawing(methods, known, self._task.kinds, seed=self._task.seed)
        async with connect(self._task.target) as channel:
            sender = Sender(channel, lambda path, data: self._learn(known, path, data))
            async with asyncio.TaskGroup() as group:
                for _ in range(self._task.concurrency):
                    group.create_task(self._send(drawing, sender))
        self._tell()

    async def _send(self, drawing: Drawing, sender: Sender) -> None:
        while self._messages < self._task.messages:
            script = drawing.draw(self._number)
            self._number += self._task.stride
            # One that says nothing is an input, too.
            messages = max(1, script.messages)
            self._messages += messages
            self._since.messages += messages
            for outcome in await sender.send(script):
                self._since.outcomes[script.path, outcome.code, outcome.reason] += 1
                if outcome.fault:
                    self._since.harmful.append((script, outcome))
            if time.monotonic() - self._told_at > _TELL_SECONDS:
                self._tell()

    def _tell(self) -> None:
        self._news.put(self._since)
        self._since, self._told_at = News(), time.monotonic()

    def _learn(self, known: Known, path: str, data: bytes) -> None:
        self._answers += 1
        if self._answers % _READ_EVERY:
            return
        if path.endswith("/Predict"):
            known.prediction_ids.append(PredictResponse.FromString(data).prediction_id)
        elif path.endswith("/ModelInfer"):
            told = ModelInferResponse.FromString(data).parameters["prediction_id"].string_param
            known.prediction_ids.extend(told.split(","))
