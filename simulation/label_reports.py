"""Labels that wait for their time, and their way to the server."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.load_generator.clock import Clock
from simulation.tally import LABEL_NO_ROOM, LABEL_TOO_LATE, Tally
from soloist import AsyncClient, Label, SoloistError, UnavailableError

_TICK_SECONDS = 0.1  # labels due within it go together
_AGAIN_SECONDS = 1.0  # after the server was not there
MOST_AT_ONCE = 1000  # labels of one report


@dataclass(frozen=True, kw_only=True)
class DueLabel:
    """The class of one answer, and the phase its request belongs to."""

    prediction_id: str
    class_index: int
    phase: int


# Reports labels, and gives the outcome of each by name; raises SoloistError.
Report = Callable[[Sequence[DueLabel]], Awaitable[Sequence[str]]]


@dataclass(order=True, frozen=True)
class _Waiting:
    due_seconds: float
    order: int
    label: DueLabel = field(compare=False)


class WaitingLabels:
    """At most `most` labels that are not due yet."""

    def __init__(self, report: Report, tally: Tally, clock: Clock, *, most: int) -> None:
        self._report, self._tally, self._clock, self._most = report, tally, clock, most
        self._heap: list[_Waiting] = []
        self._order = itertools.count()
        self._last_seconds: float | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, label: DueLabel, due_seconds: float) -> None:
        """Keep a label until its time; one there is no room for is counted and forgotten."""
        if len(self._heap) >= self._most:
            self._tally.phases[label.phase].labels[LABEL_NO_ROOM] += 1
        else:
            heapq.heappush(self._heap, _Waiting(due_seconds, next(self._order), label))

    def finish(self, last_seconds: float) -> None:
        """End once those that are kept are reported, or at this time; no more are coming."""
        self._last_seconds = last_seconds

    async def report_when_due(self) -> None:
        """Report labels as they become due, until `finish` was called and none is left."""
        while self._last_seconds is None or self._heap:
            if self._last_seconds is not None and self._clock.now() >= self._last_seconds:
                break
            await self._clock.sleep_until(self._clock.now() + _TICK_SECONDS)
            while due := self._due():
                await self._send(due)
        for waiting in self._heap:
            self._tally.phases[waiting.label.phase].labels[LABEL_TOO_LATE] += 1
        self._heap.clear()

    def _due(self) -> list[DueLabel]:
        due: list[DueLabel] = []
        now = self._clock.now()
        while self._heap and self._heap[0].due_seconds <= now and len(due) < MOST_AT_ONCE:
            due.append(heapq.heappop(self._heap).label)
        return due

    async def _send(self, labels: Sequence[DueLabel]) -> None:
        try:
            outcomes = await self._report(labels)
        except UnavailableError:  # reporting again changes nothing, so it is safe
            for label in labels:
                self.add(label, self._clock.now() + _AGAIN_SECONDS)
            return
        except SoloistError as error:
            for label in labels:
                self._tally.phases[label.phase].labels[error.reason] += 1
            return
        for label, outcome in zip(labels, outcomes, strict=True):
            self._tally.phases[label.phase].labels[outcome] += 1


def label_reporter(client: AsyncClient) -> Report:
    """Report to the server behind a client."""

    async def report(labels: Sequence[DueLabel]) -> Sequence[str]:
        reported = [Label(prediction_id=label.prediction_id, label=label.class_index) for label in labels]
        return await client.report_many(reported)

    return report
