"""How new sequences of a model are spread over its versions, to an operator; and the messages that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soloist.v1 import admin_pb2 as pb


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Versions by label; the share of new sequences that go to "canary"; the version that gets copies, 0 for none."""

    labels: Mapping[str, int]
    canary_percent: float
    shadow_version: int


def update_request(
    model: str, labels: Mapping[str, int] | None, canary_percent: float | None, shadow_version: int | None
) -> pb.UpdateRolloutRequest:
    """Change what is given, and leave the rest."""
    return pb.UpdateRolloutRequest(
        model=model,
        labels=[pb.VersionLabel(label=label, version=version) for label, version in (labels or {}).items()],
        canary_percent=canary_percent,
        shadow_version=shadow_version,
    )


def rollout(told: pb.Rollout) -> Rollout:
    """Unpack what the server tells."""
    return Rollout(
        labels={each.label: each.version for each in told.labels},
        canary_percent=told.canary_percent,
        shadow_version=told.shadow_version,
    )
