"""The client for operators who read a running server, blocking and for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

import grpc

from soloist.client.accuracy import VersionAccuracy, accuracies, accuracy_request
from soloist.client.catalogue import Version
from soloist.client.connected import AsyncConnected, Connected
from soloist.client.connection import AsyncConnection, Connection
from soloist.client.errors import from_rpc_error
from soloist.client.norm_skew import (
    NormSkew,
    norm_skew,
    norm_skew_request,
    sampled_sequence,
    sampled_sequences_request,
)
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING, RetryPolicy
from soloist.client.tls import TLS
from soloist.client.token import Token
from soloist.sampled_sequences import SampledSequence


class Monitor(Connected):
    """A client of one server (target "host:port") that changes nothing there. Close it, or use `with`.

    `timeout_seconds` bounds every call with its retries, unless the call has its own; None, math.inf: no bound.
    Every method raises SoloistError.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: TLS | None = None,
        token: Token | str | None = None,
        timeout_seconds: float | None = 30.0,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        super().__init__(
            Connection(target, tls, token, timeout_seconds=timeout_seconds, retry=retry, timing=SYSTEM_TIMING)
        )

    def accuracy(
        self, model: str, version: int | None = None, *, timeout_seconds: float | None = None
    ) -> list[VersionAccuracy]:
        """Return the recent accuracy of a model by reported labels: of one version, or of each that has answered."""
        request, attempts = accuracy_request(model, version), self._connection.attempts(timeout_seconds)
        return accuracies(self._connection.call(self._connection.feedback.GetAccuracy, request, attempts))

    def norm_skew(
        self, model: str, version: Version | None = None, *, timeout_seconds: float | None = None
    ) -> NormSkew:
        """Return the distance of a model's normaliser inputs from its training data.

        `version` is a number or a label, as for Client.predict.
        """
        request, attempts = norm_skew_request(model, version), self._connection.attempts(timeout_seconds)
        return norm_skew(self._connection.call(self._connection.norm_skew.GetNormSkew, request, attempts))

    def sampled_sequences(
        self, model: str, version: Version | None = None, *, timeout_seconds: float | None = None
    ) -> Iterator[SampledSequence]:
        """Yield the sampled sequences of a model's traffic, the oldest first; not retried.

        `version` as for norm_skew. `timeout_seconds` bounds all of them together, from the first one on.
        """
        bound = self._connection.attempts(timeout_seconds).seconds_for_a_call()
        request = sampled_sequences_request(model, version)
        try:
            for each in self._connection.norm_skew.ListSampledSequences(request, timeout=bound):
                yield sampled_sequence(each)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error


class AsyncMonitor(AsyncConnected):
    """As Monitor, from one event loop: with `async with` and `await`."""

    def __init__(
        self,
        target: str,
        *,
        tls: TLS | None = None,
        token: Token | str | None = None,
        timeout_seconds: float | None = 30.0,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        super().__init__(
            AsyncConnection(target, tls, token, timeout_seconds=timeout_seconds, retry=retry, timing=SYSTEM_TIMING)
        )

    async def accuracy(
        self, model: str, version: int | None = None, *, timeout_seconds: float | None = None
    ) -> list[VersionAccuracy]:
        """Return the recent accuracy of a model, as Monitor.accuracy."""
        request, attempts = accuracy_request(model, version), self._connection.attempts(timeout_seconds)
        return accuracies(await self._connection.call(self._connection.feedback.GetAccuracy, request, attempts))

    async def norm_skew(
        self, model: str, version: Version | None = None, *, timeout_seconds: float | None = None
    ) -> NormSkew:
        """Return the distance of normaliser inputs from the training data, as Monitor.norm_skew."""
        request, attempts = norm_skew_request(model, version), self._connection.attempts(timeout_seconds)
        return norm_skew(await self._connection.call(self._connection.norm_skew.GetNormSkew, request, attempts))

    async def sampled_sequences(
        self, model: str, version: Version | None = None, *, timeout_seconds: float | None = None
    ) -> AsyncGenerator[SampledSequence]:
        """Yield the sampled sequences, as Monitor.sampled_sequences."""
        bound = self._connection.attempts(timeout_seconds).seconds_for_a_call()
        request = sampled_sequences_request(model, version)
        try:
            async for each in self._connection.norm_skew.ListSampledSequences(request, timeout=bound):
                yield sampled_sequence(each)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
