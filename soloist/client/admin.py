"""What an operator changes while a server runs, blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from soloist.client import results
from soloist.client.channel import TLS
from soloist.client.connection import Connection
from soloist.client.retry import DEFAULT_RETRY, SYSTEM_TIMING
from soloist.v1 import admin_pb2 as pb
from soloist.v1 import sequence_inference_pb2


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Versions by label; the share of new sequences that go to "canary"; the version that gets copies, 0 for none."""

    labels: Mapping[str, int]
    canary_percent: float
    shadow_version: int


class Admin:
    """Asks one server (target "host:port"). Close it, or use `with`. Every method raises SoloistError.

    `timeout_seconds` bounds every call together with its retries: a model that is certified anew takes its time.
    """

    def __init__(self, target: str, *, tls: TLS | None = None, timeout_seconds: float | None = 60.0) -> None:
        self._connection = Connection(
            target, tls, timeout_seconds=timeout_seconds, retry=DEFAULT_RETRY, timing=SYSTEM_TIMING
        )

    def load(self, model: str, version: int | None = None) -> list[results.ModelStatus]:
        """Load a version, or what the version policy wants, and return when it is ready: every version, sorted."""
        request = pb.LoadModelRequest(model=model, version=version or 0)
        response = self._connection.call(self._connection.admin.LoadModel, request, self._connection.attempts(None))
        return [results.model_status(status) for status in response.versions]

    def unload(self, model: str, version: int | None = None) -> list[results.ModelStatus]:
        """Let a version, or the model, take no new sequences; those that have begun go on: every version, sorted."""
        request = pb.UnloadModelRequest(model=model, version=version or 0)
        response = self._connection.call(self._connection.admin.UnloadModel, request, self._connection.attempts(None))
        return [results.model_status(status) for status in response.versions]

    def index(self) -> list[results.ModelStatus]:
        """List every version of every model, also those that are not loaded."""
        request, attempts = sequence_inference_pb2.ListModelsRequest(), self._connection.attempts(None)
        response = self._connection.call(self._connection.stub.ListModels, request, attempts)
        return [results.model_status(status) for status in response.models]

    def rollout(self, model: str) -> Rollout:
        """Tell how new sequences of a model are spread."""
        request, attempts = pb.GetRolloutRequest(model=model), self._connection.attempts(None)
        return _rollout(self._connection.call(self._connection.admin.GetRollout, request, attempts).rollout)

    def spread(
        self,
        model: str,
        *,
        labels: Mapping[str, int] | None = None,
        canary_percent: float | None = None,
        shadow_version: int | None = None,
    ) -> Rollout:
        """Change what is given, and leave the rest; version 0 removes a label, or the shadow."""
        request = pb.UpdateRolloutRequest(
            model=model,
            labels=[pb.VersionLabel(label=label, version=version) for label, version in (labels or {}).items()],
            canary_percent=canary_percent,
            shadow_version=shadow_version,
        )
        attempts = self._connection.attempts(None)
        return _rollout(self._connection.call(self._connection.admin.UpdateRollout, request, attempts).rollout)

    def close(self) -> None:
        """Close the connection; what is under way goes on at the server."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _rollout(told: pb.Rollout) -> Rollout:
    return Rollout(
        labels={each.label: each.version for each in told.labels},
        canary_percent=told.canary_percent,
        shadow_version=told.shadow_version,
    )
