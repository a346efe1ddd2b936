"""What operators change: which versions are loaded, and where new sequences go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from service.repository import Repository
    from service.repository.rollout import Rollout


class Operations(Protocol):
    """The changes, as the manager of one process makes them, or all processes of a server together."""

    repository: Repository

    async def load(self, name: str, version: int = 0) -> None:
        """Load a version, or those of the policy. Raises ServiceError."""

    async def unload(self, name: str, version: int = 0) -> None:
        """Let a version, or the model, take no new sequences. Raises ServiceError."""

    async def spread(self, name: str, needed: Iterable[int], how: Callable[[Rollout], Rollout]) -> Rollout:
        """Change the rollout, once the versions that it needs are ready. Raises ServiceError."""

    def require(self, name: str, version: int = 0) -> None:
        """Refuse a model or version that isn't listed. Raises ServiceError."""
