"""What an operator changes while a server runs, for asyncio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from soloist.client import results
from soloist.client.aio_connected import AsyncConnected
from soloist.client.aio_connection import AsyncConnection
from soloist.client.channel import TLS
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING
from soloist.client.rollout import Rollout, rollout, update_request
from soloist.v1 import admin_pb2 as pb
from soloist.v1 import sequence_inference_pb2

_Response = TypeVar("_Response")


class AsyncAdmin(AsyncConnected):
    """Asks one server (target "host:port") from one event loop: as Admin, with `async with` and `await`.

    `timeout_seconds` bounds every call together with its retries: a model that is certified anew takes its time.
    What the server has begun goes on when this is closed.
    """

    def __init__(self, target: str, *, tls: TLS | None = None, timeout_seconds: float | None = 60.0) -> None:
        super().__init__(
            AsyncConnection(target, tls, timeout_seconds=timeout_seconds, retry=DEFAULT_RETRY, timing=SYSTEM_TIMING)
        )

    async def load(self, model: str, version: int | None = None) -> list[results.ModelStatus]:
        """Load a version, or what the version policy wants, and return when it is ready: every version, sorted."""
        request = pb.LoadModelRequest(model=model, version=version or 0)
        response = await self._ask(self._connection.admin.LoadModel, request)
        return [results.model_status(status) for status in response.versions]

    async def unload(self, model: str, version: int | None = None) -> list[results.ModelStatus]:
        """Let a version, or the model, take no new sequences; those that have begun go on: every version, sorted."""
        request = pb.UnloadModelRequest(model=model, version=version or 0)
        response = await self._ask(self._connection.admin.UnloadModel, request)
        return [results.model_status(status) for status in response.versions]

    async def index(self) -> list[results.ModelStatus]:
        """List every version of every model, also those that are not loaded."""
        response = await self._ask(self._connection.stub.ListModels, sequence_inference_pb2.ListModelsRequest())
        return [results.model_status(status) for status in response.models]

    async def rollout(self, model: str) -> Rollout:
        """Tell how new sequences of a model are spread."""
        response = await self._ask(self._connection.admin.GetRollout, pb.GetRolloutRequest(model=model))
        return rollout(response.rollout)

    async def spread(
        self,
        model: str,
        *,
        labels: Mapping[str, int] | None = None,
        canary_percent: float | None = None,
        shadow_version: int | None = None,
    ) -> Rollout:
        """Change what is given, and leave the rest; version 0 removes a label, or the shadow."""
        request = update_request(model, labels, canary_percent, shadow_version)
        response = await self._ask(self._connection.admin.UpdateRollout, request)
        return rollout(response.rollout)

    async def _ask(self, method: Callable[..., Awaitable[_Response]], request: object) -> _Response:
        return await self._connection.call(method, request, self._connection.attempts(None))
