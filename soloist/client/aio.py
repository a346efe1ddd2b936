"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime

from soloist.client import requests, results
from soloist.client.aio_catalogue import AsyncCatalogue
from soloist.client.aio_connected import AsyncConnected
from soloist.client.aio_connection import AsyncConnection
from soloist.client.aio_opener import AsyncOpener
from soloist.client.aio_reporter import AsyncReporter
from soloist.client.aio_stream import AsyncStream
from soloist.client.channel import TLS
from soloist.client.comparison import Comparison, Condition
from soloist.client.comparison_messages import compare_request, comparison
from soloist.client.errors import InvalidInputError
from soloist.client.feedback import Label, LabelOutcome
from soloist.client.frames import Frames
from soloist.client.pipeline import Chunks, Pipeline
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING, RetryPolicy, Timing


class AsyncClient(AsyncConnected):
    """Asks one server (target "host:port") from one event loop. Connects at the first call; `async with`, or close it.

    `timeout_seconds` bounds every call together with its retries, unless the call says otherwise; None: no bound.
    Every method raises SoloistError.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: TLS | None = None,
        timeout_seconds: float | None = 30.0,
        retry: RetryPolicy = DEFAULT_RETRY,
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        super().__init__(AsyncConnection(target, tls, timeout_seconds=timeout_seconds, retry=retry, timing=timing))
        self._catalogue = AsyncCatalogue(self._connection)
        self._reporter = AsyncReporter(self._connection)
        self._opener = AsyncOpener(self._connection, self._catalogue)

    async def predict(
        self,
        model: str,
        frames: Frames,
        *,
        version: requests.Version | None = None,
        every_frame: bool = False,
        inputs: requests.Inputs | None = None,
        timeout_seconds: float | None = None,
    ) -> results.Prediction:
        """Answer one whole sequence: [time, feature] numbers, [time] tokens or a text (see client.frames).

        `version` is a number or a label; without it the stable one answers, else the newest that is ready.
        """
        attempts = self._connection.attempts(timeout_seconds)
        array = await self._catalogue.convert(frames, model, version, attempts)
        request = requests.predict_request(model, version, array, every_frame=every_frame, inputs=inputs)
        try:
            return results.prediction(await self._connection.call(self._connection.stub.Predict, request, attempts))
        except InvalidInputError:
            self._catalogue.forget(model, version)
            raise

    def stream(
        self,
        model: str,
        *,
        version: requests.Version | None = None,
        every_frame: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncStream:
        """Answer one sequence piece by piece: `async with client.stream("m") as s: await s.send(frames)`.

        Only opening it is tried again. `timeout_seconds` bounds the whole stream; without it a stream may last for
        ever, and the client's own timeout bounds the tries to open it.
        """
        request = requests.open_request(model, version, every_frame=every_frame)
        return AsyncStream(lambda: self._opener.open(request, timeout_seconds), self._opener.convert)

    async def stream_chunks(
        self,
        model: str,
        chunks: Chunks,
        *,
        version: requests.Version | None = None,
        every_frame: bool = False,
        ahead: int = 8,
        inputs: requests.Inputs | None = None,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[results.ChunkResult]:
        """Yield an answer for each chunk, in order, with up to `ahead` (≥ 1) chunks under way: no round trip between.

        Each chunk is sent as soon as `chunks`, async or not, gives it. What `chunks` raises is raised here. Leave early
        with `contextlib.aclosing`, so that the server hears of it at once. `inputs`, as for Client.predict, go with
        every chunk.
        """
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, not {ahead}")
        request = requests.open_request(model, version, every_frame=every_frame)
        exchange, opened = await self._opener.open(request, timeout_seconds)
        pipeline = Pipeline(exchange, opened, self._opener.convert, ahead=ahead, inputs=inputs)
        async with aclosing(pipeline.results(chunks)) as answers:
            async for answer in answers:
                yield answer

    async def compare(
        self,
        model: str,
        frames: Frames,
        *,
        version: requests.Version | None = None,
        siblings: Sequence[str] = (),
        conditions: Sequence[Condition] = (),
        neighbours: Sequence[Frames] = (),
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> Comparison:
        """As Client.compare."""
        attempts = self._connection.attempts(timeout_seconds)
        array, *others = [
            await self._catalogue.convert(each, model, version, attempts) for each in (frames, *neighbours)
        ]
        request = compare_request(
            model, version, array, siblings=siblings, conditions=conditions, neighbours=others, seed=seed
        )
        return comparison(await self._connection.call(self._connection.stub.Compare, request, attempts))

    async def report(
        self,
        prediction_id: str,
        label: str | int,
        *,
        step: int | None = None,
        event_time: datetime | None = None,
        timeout_seconds: float | None = None,
    ) -> LabelOutcome:
        """Say what was true of an answer, by the class's name or index; it is on disk when this returns.

        Sending it again changes nothing. `step` and `event_time` as in Label.
        """
        told = Label(prediction_id=prediction_id, label=label, step=step, event_time=event_time)
        return (await self._reporter.report([told], timeout_seconds))[0]

    async def report_many(self, labels: Iterable[Label], *, timeout_seconds: float | None = None) -> list[LabelOutcome]:
        """Report labels, a thousand a call: one outcome each, in order. `timeout_seconds` bounds each call."""
        return await self._reporter.report(labels, timeout_seconds)

    async def report_stream(
        self, labels: Iterable[Label], *, timeout_seconds: float | None = None
    ) -> dict[LabelOutcome, int]:
        """Report labels without end in one call: how many came to what. It isn't tried again."""
        return await self._reporter.stream(labels, timeout_seconds)

    async def models(self, *, timeout_seconds: float | None = None) -> list[results.ModelStatus]:
        """List every version of every model, sorted by name and version, also those that cannot be called."""
        return await self._catalogue.models(self._connection.attempts(timeout_seconds))

    async def model(
        self, name: str, version: requests.Version | None = None, *, timeout_seconds: float | None = None
    ) -> results.ModelInfo:
        """Tell all about one model: labels, signature, held-out accuracy, …; `version` as for predict."""
        return await self._catalogue.model(name, version, self._connection.attempts(timeout_seconds))

    async def ready(self, model: str = "", *, timeout_seconds: float | None = None) -> bool:
        """Tell whether the server, or one of its models, answers calls now; False too when nobody is there."""
        return await self._connection.serves(model, timeout_seconds)

    async def wait_until_ready(self, timeout_seconds: float | None = None, *, model: str = "") -> None:
        """Return as soon as `ready` is true; raises DeadlineExceededError when the time is over."""
        await self._connection.wait_until_serves(model, timeout_seconds)
