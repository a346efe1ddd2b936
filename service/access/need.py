"""What a method needs of its caller, and of the operator who may have left it off."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.access.client import ALL_ROLES, Role


class Feature(StrEnum):
    """What is off unless the operator enables it."""

    ADMIN = "admin"
    MONITORING = "monitoring"
    REFLECTION = "reflection"


ALL_FEATURES = frozenset(Feature)


@dataclass(frozen=True, kw_only=True)
class Need:
    """The roles of which a caller must have one, where callers have to show who they are; empty lets everybody in.

    With a `feature` the method is off unless that is enabled.
    """

    roles: frozenset[Role] = frozenset()
    feature: Feature | None = None


EVERYBODY: Final = Need()
ANY_ROLE: Final = Need(roles=ALL_ROLES)
INFER: Final = Need(roles=frozenset({Role.INFER}))
# Whose answers a client may label is decided label by label.
LABEL: Final = Need(roles=frozenset({Role.INFER, Role.FEEDBACK}))
ACCURACY: Final = Need(roles=frozenset({Role.FEEDBACK, Role.MONITOR}))
METRICS: Final = Need(roles=frozenset({Role.MONITOR}))
MONITOR: Final = Need(roles=frozenset({Role.MONITOR}), feature=Feature.MONITORING)
# What users have sent is not for everything that draws graphs.
USER_DATA: Final = Need(roles=frozenset({Role.ADMIN}), feature=Feature.MONITORING)
ADMIN: Final = Need(roles=frozenset({Role.ADMIN}), feature=Feature.ADMIN)
REFLECT: Final = Need(roles=ALL_ROLES, feature=Feature.REFLECTION)
