"""Labels on their way to one server; for asyncio."""

from __future__ import annotations

from collections.abc import Iterable

from soloist.client.aio_connection import AsyncConnection
from soloist.client.feedback import Label, LabelOutcome
from soloist.client.feedback_messages import chunks, counts, outcomes
from soloist.client.retry import NO_RETRY, SYSTEM_TIMING, Attempts
from soloist.v1 import feedback_pb2 as pb


class AsyncReporter:
    """Labels may be sent again without harm, so that calls are tried again like any other."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def report(self, labels: Iterable[Label], timeout_seconds: float | None) -> list[LabelOutcome]:
        """Send labels, as many a call as one takes; `timeout_seconds` bounds each call."""
        found: list[LabelOutcome] = []
        for chunk in chunks(labels):
            request, attempts = pb.ReportRequest(labels=chunk), self._connection.attempts(timeout_seconds)
            found += outcomes(await self._connection.call(self._connection.feedback.Report, request, attempts))
        return found

    async def stream(self, labels: Iterable[Label], timeout_seconds: float | None) -> dict[LabelOutcome, int]:
        """Send labels in one call, which isn't tried again."""
        requests = (pb.ReportStreamRequest(labels=chunk) for chunk in chunks(labels))
        attempts = Attempts(NO_RETRY, SYSTEM_TIMING, timeout_seconds)
        return counts(await self._connection.call(self._connection.feedback.ReportStream, requests, attempts))
