"""One server, for asyncio: the channel, and a call with its deadline and retries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soloist.client.channel import TLS, open_async_channel
from soloist.client.errors import SoloistError, from_rpc_error, is_not_up
from soloist.client.retry import NO_RETRY, Attempts, RetryPolicy, Timing
from soloist.v1.admin_pb2_grpc import AdminStub
from soloist.v1.feedback_pb2_grpc import FeedbackStub
from soloist.v1.norm_skew_pb2_grpc import NormSkewStub
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub

if TYPE_CHECKING:  # exists for type checkers alone
    from soloist.v1.admin_pb2_grpc import AdminAsyncStub
    from soloist.v1.feedback_pb2_grpc import FeedbackAsyncStub
    from soloist.v1.norm_skew_pb2_grpc import NormSkewAsyncStub
    from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceAsyncStub

_Response = TypeVar("_Response")


class AsyncConnection:
    """Connects at the first call, and belongs to the event loop that makes it."""

    def __init__(
        self, target: str, tls: TLS | None, *, timeout_seconds: float | None, retry: RetryPolicy, timing: Timing
    ) -> None:
        self._target = target
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._timing = timing

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return open_async_channel(self._target, self._tls)  # not before there is an event loop

    @cached_property
    def stub(self) -> SequenceInferenceAsyncStub:
        """Give the generated stub."""
        return SequenceInferenceStub(self._channel)

    @cached_property
    def admin(self) -> AdminAsyncStub:
        """Give the generated stub of what operators ask."""
        return AdminStub(self._channel)

    @cached_property
    def norm_skew(self) -> NormSkewAsyncStub:
        """Give the generated stub of NormSkew."""
        return NormSkewStub(self._channel)

    @cached_property
    def feedback(self) -> FeedbackAsyncStub:
        """Give the generated stub of the feedback service."""
        return FeedbackStub(self._channel)

    def attempts(self, timeout_seconds: float | None, *, retry: bool = True) -> Attempts:
        """Begin to count tries and time; without `timeout_seconds` the connection's own bound holds."""
        bound = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return Attempts(self._retry if retry else NO_RETRY, self._timing, bound)

    async def call(self, method: Callable[..., Awaitable[_Response]], request: object, attempts: Attempts) -> _Response:
        """Make a unary call, again where that is allowed; raises SoloistError."""

        async def once(remaining_seconds: float | None) -> _Response:
            try:
                return await method(request, timeout=remaining_seconds)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

        return await attempts.run_async(once)

    async def serves(self, service: str, timeout_seconds: float | None) -> bool:
        """Ask the health service once; an empty name means the whole server."""
        check = health_pb2_grpc.HealthStub(self._channel).Check
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            response = await self.call(check, request, self.attempts(timeout_seconds, retry=False))
        except SoloistError as error:
            if is_not_up(error):
                return False
            raise
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    async def wait_until_serves(self, service: str, timeout_seconds: float | None) -> None:
        """Ask again and again; raises DeadlineExceededError when the time is over."""
        attempts = self.attempts(timeout_seconds)
        while not await self.serves(service, attempts.remaining_seconds()):
            await self._timing.sleep_async(attempts.poll_seconds())

    async def close(self) -> None:
        """Cancel what is under way and close the channel."""
        await self._channel.close()
