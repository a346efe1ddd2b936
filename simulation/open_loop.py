"""The open loop: requests leave when they are due, whatever became of those before, and labels follow answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from bench.load_generator.clock import Clock
from simulation.demand import Request
from simulation.label_reports import DueLabel, WaitingLabels
from simulation.tally import NOT_SENT, Tally
from soloist import ChunkResult, Prediction, SoloistError

# Sends one request that is due at the given time, and gives the answer to its end; raises SoloistError.
Send = Callable[[Request, float], Awaitable[Prediction | ChunkResult]]
_LEAD_SECONDS = 0.05  # between "go" and time 0


class OpenLoop:
    """One run of a demand."""

    def __init__(
        self,
        demand: Iterable[Request],
        send: Send,
        labels: WaitingLabels,
        tally: Tally,
        clock: Clock,
        *,
        max_in_flight: int,
        label_wait_seconds: float,
    ) -> None:
        self._demand, self._send, self._labels, self._tally, self._clock = demand, send, labels, tally, clock
        self._max_in_flight, self._label_wait_seconds = max_in_flight, label_wait_seconds
        self._sending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Send all, wait for the answers, then for the labels; what fails is counted, not raised."""
        async with asyncio.TaskGroup() as reporting:
            reporting.create_task(self._labels.report_when_due())
            async with asyncio.TaskGroup() as requests:
                self._sending = requests.create_task(self._send_all(requests))
            self._labels.finish(self._clock.now() + self._label_wait_seconds)

    def stop(self) -> None:
        """Send no more; what is under way is answered, and labels are still reported."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self, requests: asyncio.TaskGroup) -> None:
        start = self._clock.now() + _LEAD_SECONDS
        under_way: set[asyncio.Task[None]] = set()
        for request in self._demand:
            due_seconds = start + request.due_seconds
            await self._clock.sleep_until(due_seconds)
            self._tally.phases[request.phase].sent += 1
            if len(under_way) >= self._max_in_flight:
                self._tally.phases[request.phase].refused[NOT_SENT] += 1
                continue
            task = requests.create_task(self._one(request, due_seconds))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def _one(self, request: Request, due_seconds: float) -> None:
        phase = self._tally.phases[request.phase]
        try:
            answer = await self._send(request, due_seconds)
        except SoloistError as error:
            phase.refused[error.reason] += 1
            return
        now = self._clock.now()
        self._tally.answered(request.phase, correct=answer.index == request.truth, seconds=now - due_seconds)
        phase.labels_planned += len(request.labels)
        for planned in request.labels:
            label = DueLabel(prediction_id=answer.prediction_id, class_index=planned.class_index, phase=request.phase)
            self._labels.add(label, now + planned.delay_seconds)
