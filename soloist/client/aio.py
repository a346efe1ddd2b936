"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime

from soloist.client.catalogue import AsyncCatalogue, ModelInfo, ModelStatus, Version
from soloist.client.channel import DEFAULT_KEEPALIVE, Keepalive
from soloist.client.comparison import Comparison, Condition, compare_request, comparison
from soloist.client.connected import AsyncConnected
from soloist.client.connection import AsyncConnection
from soloist.client.continuation import Continuation
from soloist.client.errors import InvalidInputError
from soloist.client.exchange import open_async_exchange
from soloist.client.frames import Frames
from soloist.client.labels import Label, LabelOutcome, report_async, report_stream_async
from soloist.client.pipeline import Chunks, Pipeline
from soloist.client.predictions import ChunkResult, Inputs, Prediction, open_request, predict_request, prediction
from soloist.client.resume import Resume, place_of
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING, RetryPolicy, Timing
from soloist.client.stream import AsyncStream
from soloist.client.tls import TLS
from soloist.client.token import Token
from soloist.integers import positive


class AsyncClient(AsyncConnected):
    """A client of one server (target "host:port") for one event loop. Connects at the first call; use `async with`.

    `timeout_seconds` bounds every call with its retries, unless the call has its own; None, math.inf: no bound.
    `token` says who calls: over a plain connection it goes to this machine only (see Token). `keepalive` finds servers
    that are stopped or cut off; None: no pings. Every method raises SoloistError.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: TLS | None = None,
        token: Token | str | None = None,
        timeout_seconds: float | None = 30.0,
        retry: RetryPolicy = DEFAULT_RETRY,
        timing: Timing = SYSTEM_TIMING,
        keepalive: Keepalive | None = DEFAULT_KEEPALIVE,
    ) -> None:
        super().__init__(
            AsyncConnection(
                target, tls, token, timeout_seconds=timeout_seconds, retry=retry, timing=timing, keepalive=keepalive
            )
        )
        self._catalogue = AsyncCatalogue(self._connection)

    async def predict(
        self,
        model: str,
        frames: Frames,
        *,
        version: Version | None = None,
        every_frame: bool = False,
        inputs: Inputs | None = None,
        timeout_seconds: float | None = None,
    ) -> Prediction:
        """Answer one whole sequence: [time, feature] numbers, [time] tokens or a text (see client.frames).

        `version` is a number or a label; without it the stable one answers, or else the newest that is ready.
        """
        attempts = self._connection.attempts(timeout_seconds)
        try:
            array = await self._catalogue.convert(frames, model, version, attempts)
            request = predict_request(model, version, array, every_frame=every_frame, inputs=inputs)
            return prediction(await self._connection.call(self._connection.inference.Predict, request, attempts))
        except InvalidInputError:
            self._catalogue.forget(model, version)
            raise

    def stream(
        self,
        model: str,
        *,
        version: Version | None = None,
        every_frame: bool = False,
        resume: Resume | bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncStream:
        """Answer one sequence piece by piece: `async with client.stream("m") as s: await s.send(frames)`.

        Only opening it is retried. With `resume` the stream goes on when its server drains, dies or can't be reached:
        elsewhere, or there once it is back, with the same bits; see Resume. `timeout_seconds` bounds the whole stream;
        without it a stream may last for ever, and the client's own timeout bounds the attempts to open it, or to go on.
        """
        request = open_request(model, version, every_frame=every_frame)
        place = place_of(resume, request)
        return AsyncStream(self._connection, self._catalogue, request, timeout_seconds=timeout_seconds, place=place)

    async def stream_chunks(
        self,
        model: str,
        chunks: Chunks,
        *,
        version: Version | None = None,
        every_frame: bool = False,
        ahead: int = 8,
        inputs: Inputs | None = None,
        resume: Resume | bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[ChunkResult]:
        """Yield an answer for each chunk, in order, with up to `ahead` (≥ 1) chunks in flight, to save round trips.

        Each chunk is sent as soon as `chunks`, async or not, yields it. What `chunks` raises is raised here. Leave
        early with `contextlib.aclosing`, so that the server learns of it at once. `inputs`, as for Client.predict, go
        with every chunk. `resume` as for `stream`.
        """
        ahead = positive("ahead", ahead)
        request = open_request(model, version, every_frame=every_frame)
        place = place_of(resume, request)
        if place is not None:
            request = place.opening()
        exchange, opened = await open_async_exchange(self._connection, request, timeout_seconds)
        pipeline = Pipeline(exchange, opened, self._catalogue, ahead=ahead, inputs=inputs)
        if place is not None:
            place.opened(opened)
            continuation = Continuation(self._connection, place, timeout_seconds)
            pipeline.continued_by(continuation.go_on, continuation.note)
        async with aclosing(pipeline.results(chunks)) as answers:
            async for answer in answers:
                yield answer

    async def compare(
        self,
        model: str,
        frames: Frames,
        *,
        version: Version | None = None,
        siblings: Sequence[str] = (),
        conditions: Sequence[Condition] = (),
        neighbours: Sequence[Frames] = (),
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> Comparison:
        """As Client.compare."""
        attempts = self._connection.attempts(timeout_seconds)
        try:
            array, *others = [
                await self._catalogue.convert(each, model, version, attempts) for each in (frames, *neighbours)
            ]
            request = compare_request(
                model, version, array, siblings=siblings, conditions=conditions, neighbours=others, seed=seed
            )
            return comparison(await self._connection.call(self._connection.inference.Compare, request, attempts))
        except InvalidInputError:
            self._catalogue.forget(model, version)
            raise

    async def report(
        self,
        prediction_id: str,
        label: str | int,
        *,
        step: int | None = None,
        event_time: datetime | None = None,
        timeout_seconds: float | None = None,
    ) -> LabelOutcome:
        """Report the true class of an answer, by name or index; it is on disk when this returns.

        Sending it again changes nothing. `step` and `event_time` as in Label.
        """
        given = Label(prediction_id=prediction_id, label=label, step=step, event_time=event_time)
        return (await report_async(self._connection, [given], timeout_seconds))[0]

    async def report_many(self, labels: Iterable[Label], *, timeout_seconds: float | None = None) -> list[LabelOutcome]:
        """Report labels, a thousand per call; return one outcome each, in order. `timeout_seconds` bounds each call."""
        return await report_async(self._connection, labels, timeout_seconds)

    async def report_stream(
        self, labels: Iterable[Label], *, timeout_seconds: float | None = None
    ) -> dict[LabelOutcome, int]:
        """Report labels without end in one call, which isn't retried, and return the number of each outcome."""
        return await report_stream_async(self._connection, labels, timeout_seconds)

    async def models(self, *, timeout_seconds: float | None = None) -> list[ModelStatus]:
        """List every version of every model, sorted by name and version, also those that cannot be called."""
        return await self._catalogue.models(self._connection.attempts(timeout_seconds))

    async def model(
        self, name: str, version: Version | None = None, *, timeout_seconds: float | None = None
    ) -> ModelInfo:
        """Return all that is known of one model: labels, signature, held-out accuracy, …; `version` as for predict."""
        return await self._catalogue.model(name, version, self._connection.attempts(timeout_seconds))

    async def ready(self, model: str = "", *, timeout_seconds: float | None = None) -> bool:
        """Return whether the server, or one of its models, answers calls now; also False if no server is there."""
        return await self._connection.serves(model, timeout_seconds)

    async def wait_until_ready(self, timeout_seconds: float | None = None, *, model: str = "") -> None:
        """Return as soon as `ready` is true.

        Raises:
            DeadlineExceededError: The time is over.

        """
        await self._connection.wait_until_serves(model, timeout_seconds)
