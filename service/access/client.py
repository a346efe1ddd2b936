"""A client that has shown who it is, and its roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a client may do. None includes another: a client has one or several."""

    INFER = "infer"
    FEEDBACK = "feedback"
    MONITOR = "monitor"
    ADMIN = "admin"


ALL_ROLES = frozenset(Role)


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A client by the name of its token or certificate."""

    name: str
    roles: frozenset[Role]

    @property
    def may_label_all(self) -> bool:
        """Return whether it may label any answer; otherwise it may label those that it got itself."""
        return Role.FEEDBACK in self.roles
