"""One server, blocking: the channel, and a call with its deadline and retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soloist.client.channel import TLS, open_channel
from soloist.client.errors import SoloistError, from_rpc_error, is_not_up
from soloist.client.retry import NO_RETRY, Attempts, RetryPolicy, Timing
from soloist.v1.admin_pb2_grpc import AdminStub
from soloist.v1.feedback_pb2_grpc import FeedbackStub
from soloist.v1.norm_skew_pb2_grpc import NormSkewStub
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub

_Response = TypeVar("_Response")


class Connection:
    """Connects at the first call."""

    def __init__(
        self, target: str, tls: TLS | None, *, timeout_seconds: float | None, retry: RetryPolicy, timing: Timing
    ) -> None:
        self._channel = open_channel(target, tls)
        self.stub = SequenceInferenceStub(self._channel)
        self.admin = AdminStub(self._channel)
        self.norm_skew = NormSkewStub(self._channel)
        self.feedback = FeedbackStub(self._channel)
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._timing = timing

    def attempts(self, timeout_seconds: float | None, *, retry: bool = True) -> Attempts:
        """Begin to count tries and time; without `timeout_seconds` the connection's own bound holds."""
        bound = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return Attempts(self._retry if retry else NO_RETRY, self._timing, bound)

    def call(self, method: Callable[..., _Response], request: object, attempts: Attempts) -> _Response:
        """Make a unary call, again where that is allowed; raises SoloistError."""

        def once(remaining_seconds: float | None) -> _Response:
            try:
                return method(request, timeout=remaining_seconds)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error

        return attempts.run(once)

    def serves(self, service: str, timeout_seconds: float | None) -> bool:
        """Ask the health service once; an empty name means the whole server."""
        check = health_pb2_grpc.HealthStub(self._channel).Check
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            response = self.call(check, request, self.attempts(timeout_seconds, retry=False))
        except SoloistError as error:
            if is_not_up(error):
                return False
            raise
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    def wait_until_serves(self, service: str, timeout_seconds: float | None) -> None:
        """Ask again and again; raises DeadlineExceededError when the time is over."""
        attempts = self.attempts(timeout_seconds)
        while not self.serves(service, attempts.remaining_seconds()):
            self._timing.sleep(attempts.poll_seconds())

    def close(self) -> None:
        """Cancel what is under way and close the channel."""
        self._channel.close()
