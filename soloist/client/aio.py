"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Self

import grpc

from soloist.client import requests, results
from soloist.client.aio_catalogue import AsyncCatalogue
from soloist.client.aio_connection import AsyncConnection
from soloist.client.aio_exchange import AsyncExchange
from soloist.client.aio_reporter import AsyncReporter
from soloist.client.aio_stream import AsyncStream
from soloist.client.channel import TLS
from soloist.client.comparison import Comparison, Condition
from soloist.client.comparison_messages import compare_request, comparison
from soloist.client.errors import InvalidInputError, from_rpc_error
from soloist.client.feedback import Label, LabelOutcome, VersionAccuracy
from soloist.client.frames import Frames
from soloist.client.norm_skew import (
    NormSkew,
    SampledSequence,
    norm_skew,
    norm_skew_request,
    sampled_sequence,
    sampled_sequences_request,
)
from soloist.client.pipeline import Chunks, Pipeline
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING, RetryPolicy, Timing
from soloist.client.tensors import Array
from soloist.v1 import sequence_inference_pb2 as pb


class AsyncClient:
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
        self._connection = AsyncConnection(target, tls, timeout_seconds=timeout_seconds, retry=retry, timing=timing)
        self._catalogue = AsyncCatalogue(self._connection)
        self._reporter = AsyncReporter(self._connection)

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

        async def begin() -> tuple[AsyncExchange, pb.Opened]:
            return await self._open(model, version, every_frame=every_frame, timeout_seconds=timeout_seconds)

        return AsyncStream(begin, self._convert_chunk)

    async def stream_chunks(
        self,
        model: str,
        chunks: Chunks,
        *,
        version: requests.Version | None = None,
        every_frame: bool = False,
        ahead: int = 8,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[results.ChunkResult]:
        """Yield an answer for each chunk, in order, with up to `ahead` (≥ 1) chunks under way: no round trip between.

        Each chunk is sent as soon as `chunks`, async or not, gives it. What `chunks` raises is raised here. Leave early
        with `contextlib.aclosing`, so that the server hears of it at once.
        """
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, not {ahead}")
        exchange, opened = await self._open(model, version, every_frame=every_frame, timeout_seconds=timeout_seconds)
        pipeline = Pipeline(exchange, opened, self._convert_chunk, ahead=ahead)
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
        mates: Sequence[Frames] = (),
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> Comparison:
        """As Client.compare."""
        attempts = self._connection.attempts(timeout_seconds)
        array, *others = [await self._catalogue.convert(each, model, version, attempts) for each in (frames, *mates)]
        request = compare_request(
            model, version, array, siblings=siblings, conditions=conditions, mates=others, seed=seed
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

    async def accuracy(
        self, model: str, version: int | None = None, *, timeout_seconds: float | None = None
    ) -> list[VersionAccuracy]:
        """Tell how right a model was lately, by the labels reported: one version, or each that has answered."""
        return await self._reporter.accuracy(model, version, timeout_seconds)

    async def models(self, *, timeout_seconds: float | None = None) -> list[results.ModelStatus]:
        """List every version of every model, sorted by name and version, also those that cannot be called."""
        attempts = self._connection.attempts(timeout_seconds)
        response = await self._connection.call(self._connection.stub.ListModels, pb.ListModelsRequest(), attempts)
        return [results.model_status(status) for status in response.models]

    async def model(
        self, name: str, version: requests.Version | None = None, *, timeout_seconds: float | None = None
    ) -> results.ModelInfo:
        """Tell all about one model: labels, signature, held-out accuracy, …; `version` as for predict."""
        return await self._catalogue.model(name, version, self._connection.attempts(timeout_seconds))

    async def norm_skew(
        self, model: str, version: requests.Version | None = None, *, timeout_seconds: float | None = None
    ) -> NormSkew:
        """As Client.norm_skew."""
        request, attempts = norm_skew_request(model, version), self._connection.attempts(timeout_seconds)
        return norm_skew(await self._connection.call(self._connection.norm_skew.GetNormSkew, request, attempts))

    async def sampled_sequences(
        self, model: str, version: requests.Version | None = None, *, timeout_seconds: float | None = None
    ) -> AsyncGenerator[SampledSequence]:
        """As Client.sampled_sequences."""
        bound = self._connection.attempts(timeout_seconds).remaining_seconds()
        request = sampled_sequences_request(model, version)
        try:
            async for each in self._connection.norm_skew.ListSampledSequences(request, timeout=bound):
                yield sampled_sequence(each)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def ready(self, model: str = "", *, timeout_seconds: float | None = None) -> bool:
        """Tell whether the server, or one of its models, answers calls now; False too when nobody is there."""
        return await self._connection.serves(model, timeout_seconds)

    async def wait_until_ready(self, timeout_seconds: float | None = None, *, model: str = "") -> None:
        """Return as soon as `ready` is true; raises DeadlineExceededError when the time is over."""
        await self._connection.wait_until_serves(model, timeout_seconds)

    async def close(self) -> None:
        """Close the connection; what is under way is cancelled."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(
        self, model: str, version: requests.Version | None, *, every_frame: bool, timeout_seconds: float | None
    ) -> tuple[AsyncExchange, pb.Opened]:
        request = requests.open_request(model, version, every_frame=every_frame)

        async def open_once(_remaining_seconds: float | None) -> tuple[AsyncExchange, pb.Opened]:
            exchange = AsyncExchange(self._connection.stub, timeout_seconds)
            return exchange, (await exchange.ask(request)).opened

        return await self._connection.attempts(timeout_seconds).run_async(open_once)

    async def _convert_chunk(self, frames: Frames, opened: pb.Opened) -> Array:
        return await self._catalogue.convert(frames, opened.model, opened.version, self._connection.attempts(None))
