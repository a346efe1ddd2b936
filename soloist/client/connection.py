"""The connection to one server, blocking and for asyncio: its channel, its calls, and whether the server is up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soloist.client.call_bounds import CallBounds
from soloist.client.channel import DEFAULT_KEEPALIVE, Keepalive, open_async_channel, open_channel, refuse_open_token
from soloist.client.errors import SoloistError, from_rpc_error, is_not_up
from soloist.client.retry import Attempts, RetryPolicy, Timing
from soloist.client.texts import utf8
from soloist.client.tls import TLS
from soloist.client.token import Token, as_token
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


class Connection(CallBounds):
    """A connection, which is made at the first call."""

    def __init__(
        self,
        target: str,
        tls: TLS | None,
        token: Token | str | None = None,
        *,
        timeout_seconds: float | None,
        retry: RetryPolicy,
        timing: Timing,
        keepalive: Keepalive | None = DEFAULT_KEEPALIVE,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, retry=retry, timing=timing)
        token = as_token(token)
        refuse_open_token(utf8("target", target), tls, token)
        self._channel = open_channel(target, tls, token, keepalive.options() if keepalive else ())
        self.inference = SequenceInferenceStub(self._channel)
        self.admin = AdminStub(self._channel)
        self.norm_skew = NormSkewStub(self._channel)
        self.feedback = FeedbackStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def call(self, method: Callable[..., _Response], request: object, attempts: Attempts) -> _Response:
        """Make a unary call, again where that is allowed.

        Raises:
            SoloistError: It was refused, and isn't tried again.

        """

        def once(remaining_seconds: float | None) -> _Response:
            try:
                return method(request, timeout=remaining_seconds)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

        return attempts.run(once)

    def serves(self, service: str, timeout_seconds: float | None) -> bool:
        """Ask the health service once; an empty name means the whole server."""
        try:
            response = self.call(
                self._health.Check, _health_request(service), self.attempts(timeout_seconds, retry=False)
            )
        except SoloistError as error:
            if is_not_up(error):
                return False
            raise
        return _is_serving(response)

    def wait_until_serves(self, service: str, timeout_seconds: float | None) -> None:
        """Ask again and again until it serves.

        Raises:
            DeadlineExceededError: The time is over.

        """
        attempts = self.attempts(timeout_seconds)
        while not self.serves(service, attempts.remaining_seconds()):
            self._timing.sleep(attempts.poll_seconds())

    def close(self) -> None:
        """Cancel what is under way and close the channel."""
        self._is_closed = True
        self._channel.close()


class AsyncConnection(CallBounds):
    """A connection, which is made at the first call and belongs to its event loop."""

    def __init__(
        self,
        target: str,
        tls: TLS | None,
        token: Token | str | None = None,
        *,
        timeout_seconds: float | None,
        retry: RetryPolicy,
        timing: Timing,
        keepalive: Keepalive | None = DEFAULT_KEEPALIVE,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, retry=retry, timing=timing)
        token = as_token(token)
        refuse_open_token(utf8("target", target), tls, token)
        self._target = target
        self._tls = tls
        self._token = token
        self._options: Sequence[tuple[str, int]] = keepalive.options() if keepalive else ()

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Not before there is an event loop.
        return open_async_channel(self._target, self._tls, self._token, self._options)

    @cached_property
    def inference(self) -> SequenceInferenceAsyncStub:
        """Generated stub of SequenceInference."""
        return SequenceInferenceStub(self._channel)

    @cached_property
    def admin(self) -> AdminAsyncStub:
        """Generated stub of Admin."""
        return AdminStub(self._channel)

    @cached_property
    def norm_skew(self) -> NormSkewAsyncStub:
        """Generated stub of NormSkew."""
        return NormSkewStub(self._channel)

    @cached_property
    def feedback(self) -> FeedbackAsyncStub:
        """Generated stub of Feedback."""
        return FeedbackStub(self._channel)

    async def call(self, method: Callable[..., Awaitable[_Response]], request: object, attempts: Attempts) -> _Response:
        """Make a unary call, again where that is allowed.

        Raises:
            SoloistError: It was refused, and isn't tried again.

        """

        async def once(remaining_seconds: float | None) -> _Response:
            try:
                return await method(request, timeout=remaining_seconds)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

        return await attempts.run_async(once)

    async def serves(self, service: str, timeout_seconds: float | None) -> bool:
        """Ask the health service once; an empty name means the whole server."""
        attempts = self.attempts(timeout_seconds, retry=False)
        check = health_pb2_grpc.HealthStub(self._channel).Check
        try:
            response = await self.call(check, _health_request(service), attempts)
        except SoloistError as error:
            if is_not_up(error):
                return False
            raise
        return _is_serving(response)

    async def wait_until_serves(self, service: str, timeout_seconds: float | None) -> None:
        """Ask again and again until it serves.

        Raises:
            DeadlineExceededError: The time is over.

        """
        attempts = self.attempts(timeout_seconds)
        while not await self.serves(service, attempts.remaining_seconds()):
            await self._timing.sleep_async(attempts.poll_seconds())

    async def close(self) -> None:
        """Cancel what is under way and close the channel."""
        self._is_closed = True
        await self._channel.close()


def _health_request(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=utf8("model", service))


def _is_serving(response: health_pb2.HealthCheckResponse) -> bool:
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
