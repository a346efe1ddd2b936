"""What one client may have of something that all share: a count for each, refused above the bound."""

from __future__ import annotations

from service.core.errors import Reason, ServiceError


class ClientShares:
    """The counts of all clients that have any. Belongs to the event loop."""

    def __init__(self, what: str, most: int) -> None:
        """Create it; `what` is in the plural, for people, and a client may have `most` of it."""
        self._what, self._most = what, most
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, client: str, count: int = 1) -> None:
        """Let a client have `count` more.

        Raises:
            ServiceError: CLIENT_LIMIT.

        """
        held = self._held.get(client, 0)
        if held + count > self._most:
            raise ServiceError(Reason.CLIENT_LIMIT, client=client, held=held, what=self._what, most=self._most)
        self._held[client] = held + count

    def give_back(self, client: str, count: int = 1) -> None:
        """Take `count` back from a client."""
        left = self._held.pop(client, 0) - count
        if left > 0:
            self._held[client] = left
