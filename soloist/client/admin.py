"""The client for operators who change a running server, blocking and for asyncio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from soloist.client.catalogue import ModelStatus, model_status
from soloist.client.connected import AsyncConnected, Connected
from soloist.client.connection import AsyncConnection, Connection
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING
from soloist.client.texts import utf8
from soloist.client.tls import TLS
from soloist.client.token import Token
from soloist.integers import int64
from soloist.v1 import admin_pb2 as pb
from soloist.v1 import sequence_inference_pb2

_Response = TypeVar("_Response")
LOG_LEVELS = ("debug", "info", "warning", "error")
_PREFIX = "LOG_LEVEL_"


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Versions by label; the share of new sequences that go to "canary"; the version that gets copies, 0 for none."""

    labels: Mapping[str, int]
    canary_percent: float
    shadow_version: int


class Admin(Connected):
    """A client of one server (target "host:port"). Close it, or use `with`. Every method raises SoloistError.

    `timeout_seconds` bounds every call with its retries; allow for models that are certified at load.
    Work that the server has begun goes on after this is closed.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: TLS | None = None,
        token: Token | str | None = None,
        timeout_seconds: float | None = 60.0,
    ) -> None:
        super().__init__(
            Connection(target, tls, token, timeout_seconds=timeout_seconds, retry=DEFAULT_RETRY, timing=SYSTEM_TIMING)
        )

    def load(self, model: str, version: int | None = None) -> list[ModelStatus]:
        """Load a version, or those of the version policy, and wait for it. Return every version, sorted."""
        request = pb.LoadModelRequest(model=utf8("model", model), version=_number(version))
        return _statuses(self._ask(self._connection.admin.LoadModel, request).versions)

    def unload(self, model: str, version: int | None = None) -> list[ModelStatus]:
        """Unload a version, or the model; open sequences go on. Return every version, sorted."""
        request = pb.UnloadModelRequest(model=utf8("model", model), version=_number(version))
        return _statuses(self._ask(self._connection.admin.UnloadModel, request).versions)

    def index(self) -> list[ModelStatus]:
        """List every version of every model, also those that are not loaded."""
        request = sequence_inference_pb2.ListModelsRequest()
        return _statuses(self._ask(self._connection.inference.ListModels, request).models)

    def rollout(self, model: str) -> Rollout:
        """Return how new sequences of a model are spread."""
        request = pb.GetRolloutRequest(model=utf8("model", model))
        return _rollout(self._ask(self._connection.admin.GetRollout, request).rollout)

    def spread(
        self,
        model: str,
        *,
        labels: Mapping[str, int] | None = None,
        canary_percent: float | None = None,
        shadow_version: int | None = None,
    ) -> Rollout:
        """Change what is given, and leave the rest; version 0 removes a label, or the shadow."""
        request = _update_request(model, labels, canary_percent, shadow_version)
        return _rollout(self._ask(self._connection.admin.UpdateRollout, request).rollout)

    def set_log_level(self, level: str | None, *, fallback_seconds: float = 0.0) -> str:
        """Log from a level on ("debug", "info", "warning", "error"; None: that of the settings), and return it.

        After `fallback_seconds`, if given, it is that of the settings again.
        """
        request = _level_request(level, fallback_seconds)
        return _level(self._ask(self._connection.admin.SetLogLevel, request))

    def drain(self) -> int:
        """Drain the server as SIGTERM does: it ends. Return the calls in progress there, this one included."""
        return self._ask(self._connection.admin.Drain, pb.DrainRequest(mode=pb.DRAIN_MODE_STOP)).call_count

    def set_ready(self, ready: bool) -> int:
        """Let the server say that it isn't ready, or is again; it answers all the same. Return as `drain`."""
        return self._ask(self._connection.admin.Drain, _ready_request(ready)).call_count

    def _ask(self, method: Callable[..., _Response], request: object) -> _Response:
        return self._connection.call(method, request, self._connection.attempts(None))


class AsyncAdmin(AsyncConnected):
    """As Admin, from one event loop: with `async with` and `await`."""

    def __init__(
        self,
        target: str,
        *,
        tls: TLS | None = None,
        token: Token | str | None = None,
        timeout_seconds: float | None = 60.0,
    ) -> None:
        super().__init__(
            AsyncConnection(
                target, tls, token, timeout_seconds=timeout_seconds, retry=DEFAULT_RETRY, timing=SYSTEM_TIMING
            )
        )

    async def load(self, model: str, version: int | None = None) -> list[ModelStatus]:
        """Load a version, or those of the version policy, as Admin.load."""
        request = pb.LoadModelRequest(model=utf8("model", model), version=_number(version))
        return _statuses((await self._ask(self._connection.admin.LoadModel, request)).versions)

    async def unload(self, model: str, version: int | None = None) -> list[ModelStatus]:
        """Unload a version, or the model, as Admin.unload."""
        request = pb.UnloadModelRequest(model=utf8("model", model), version=_number(version))
        return _statuses((await self._ask(self._connection.admin.UnloadModel, request)).versions)

    async def index(self) -> list[ModelStatus]:
        """List every version of every model, also those that are not loaded."""
        request = sequence_inference_pb2.ListModelsRequest()
        return _statuses((await self._ask(self._connection.inference.ListModels, request)).models)

    async def rollout(self, model: str) -> Rollout:
        """Return how new sequences of a model are spread."""
        request = pb.GetRolloutRequest(model=utf8("model", model))
        return _rollout((await self._ask(self._connection.admin.GetRollout, request)).rollout)

    async def spread(
        self,
        model: str,
        *,
        labels: Mapping[str, int] | None = None,
        canary_percent: float | None = None,
        shadow_version: int | None = None,
    ) -> Rollout:
        """Change what is given, and leave the rest, as Admin.spread."""
        request = _update_request(model, labels, canary_percent, shadow_version)
        return _rollout((await self._ask(self._connection.admin.UpdateRollout, request)).rollout)

    async def set_log_level(self, level: str | None, *, fallback_seconds: float = 0.0) -> str:
        """Log from a level on, as Admin.set_log_level."""
        request = _level_request(level, fallback_seconds)
        return _level(await self._ask(self._connection.admin.SetLogLevel, request))

    async def drain(self) -> int:
        """Drain the server, as Admin.drain."""
        return (await self._ask(self._connection.admin.Drain, pb.DrainRequest(mode=pb.DRAIN_MODE_STOP))).call_count

    async def set_ready(self, ready: bool) -> int:
        """Let the server say that it isn't ready, or is again, as Admin.set_ready."""
        return (await self._ask(self._connection.admin.Drain, _ready_request(ready))).call_count

    async def _ask(self, method: Callable[..., Awaitable[_Response]], request: object) -> _Response:
        return await self._connection.call(method, request, self._connection.attempts(None))


def _number(version: int | None) -> int:
    return 0 if version is None else int64("version", version)


def _update_request(
    model: str, labels: Mapping[str, int] | None, canary_percent: float | None, shadow_version: int | None
) -> pb.UpdateRolloutRequest:
    return pb.UpdateRolloutRequest(
        model=utf8("model", model),
        labels=[
            pb.VersionLabel(label=utf8("labels", label), version=int64("labels", version))
            for label, version in (labels or {}).items()
        ],
        canary_percent=canary_percent,
        shadow_version=None if shadow_version is None else int64("shadow_version", shadow_version),
    )


def _level_request(level: str | None, fallback_seconds: float) -> pb.SetLogLevelRequest:
    if level is not None and level not in LOG_LEVELS:
        raise ValueError(f"level is {level!r}, but must be one of {', '.join(LOG_LEVELS)}, or None")
    number = pb.LOG_LEVEL_UNSPECIFIED if level is None else pb.LogLevel.Value(f"{_PREFIX}{level.upper()}")
    return pb.SetLogLevelRequest(level=number, fallback_seconds=fallback_seconds)


def _level(response: pb.SetLogLevelResponse) -> str:
    return pb.LogLevel.Name(response.level).removeprefix(_PREFIX).lower()


def _ready_request(ready: bool) -> pb.DrainRequest:
    return pb.DrainRequest(mode=pb.DRAIN_MODE_READY if ready else pb.DRAIN_MODE_NOT_READY)


def _rollout(message: pb.Rollout) -> Rollout:
    return Rollout(
        labels={each.label: each.version for each in message.labels},
        canary_percent=message.canary_percent,
        shadow_version=message.shadow_version,
    )


def _statuses(found: Iterable[sequence_inference_pb2.ModelStatus]) -> list[ModelStatus]:
    return [model_status(status) for status in found]
