"""How a pipeline goes on with another call when its own has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from soloist.client.connection import AsyncConnection
from soloist.client.errors import SoloistError
from soloist.client.exchange import AsyncExchange
from soloist.client.resume import Place, noted
from soloist.client.retry import Attempts
from soloist.v1 import sequence_inference_pb2 as pb


class Continuation:
    """The calls after the first. Attempts are counted until one has brought an answer."""

    def __init__(self, connection: AsyncConnection, place: Place, timeout_seconds: float | None) -> None:
        """Create it; `timeout_seconds` bounds the whole stream from now on."""
        self._connection = connection
        self._place = place
        self._bound = None if timeout_seconds is None else connection.attempts(timeout_seconds)
        self._attempts: Attempts | None = None

    def note(self, request: pb.StreamRequest, response: pb.StreamResponse) -> pb.StreamResponse:
        """Take note of an answer (pipeline.Note)."""
        noted(self._place, request, response)
        self._attempts = None
        return response

    async def go_on(self, error: SoloistError, something_to_send: Callable[[], Awaitable[None]]) -> AsyncExchange:
        """Return a call that is where the last one was, as soon as it is needed (pipeline.GoOn).

        Raises:
            SoloistError: The sequence can't go on.

        """
        if self._place.is_lost(error):
            raise error
        await something_to_send()
        if self._attempts is None:
            policy = self._place.resume.retry
            self._attempts = self._connection.resuming(policy, self._remaining_seconds())
        pause_seconds = self._attempts.pause_seconds(error)
        if pause_seconds is None:
            raise error
        await self._connection.sleep(pause_seconds)
        return await self._attempts.run_async(self._once)

    async def _once(self, _remaining_seconds: float | None) -> AsyncExchange:
        place = self._place
        exchange = AsyncExchange(self._connection.inference, self._remaining_seconds())
        try:
            place.opened((await exchange.ask(place.opening())).opened)
            for each in place.again():
                noted(place, each, await exchange.ask(each))
        except BaseException as error:
            exchange.cancel()
            place.ended(error)
            raise
        return exchange

    def _remaining_seconds(self) -> float | None:
        return None if self._bound is None else self._bound.remaining_seconds()
