"""All HTTP connections, bounded in number: who has to go when there are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from service.core.client_shares import ClientShares


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """The bounds of connections to the HTTP port."""

    max_connections: int = 1_000
    shares: ClientShares | None = None
    head_seconds: float = 20.0
    idle_seconds: float = 3600.0


class Closable(Protocol):
    """A connection, and the address that it comes from."""

    address: str

    def abort(self) -> None:
        """Close it without waiting for its caller."""


class Connections:
    """All connections. Above a limit, the one that has waited for its caller for longest makes room.

    Above that of an address, it is one of the same address. A connection waits for a request and its body, and for its
    caller to read the answer.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self._all: set[Closable] = set()
        # In order of time.
        self._waiting: dict[Closable, None] = {}

    def begin(self, connection: Closable) -> None:
        """Add a connection. If all others are busy, it ends at once."""
        shares, client = self.limits.shares, connection.address
        if shares is not None and not shares.try_take(client):
            oldest = next((each for each in self._waiting if each.address == client), connection)
            if not self._ended_for(oldest, connection):
                return
            shares.take(client)
        if len(self._all) >= self.limits.max_connections:
            oldest = next(iter(self._waiting), connection)
            if not self._ended_for(oldest, connection):
                if shares is not None:
                    shares.give_back(client)
                return
        self._all.add(connection)
        self._waiting[connection] = None

    def busy(self, connection: Closable) -> None:
        """Note that the server works for a connection."""
        self._waiting.pop(connection, None)

    def waiting(self, connection: Closable) -> None:
        """Note that a connection waits for its caller again."""
        if connection in self._all:
            self._waiting.pop(connection, None)
            self._waiting[connection] = None

    def end(self, connection: Closable) -> None:
        """Forget a connection."""
        if connection in self._all:
            self._all.remove(connection)
            if self.limits.shares is not None:
                self.limits.shares.give_back(connection.address)
        self._waiting.pop(connection, None)

    def _ended_for(self, oldest: Closable, connection: Closable) -> bool:
        """End a connection for another, and return whether there is one besides that itself."""
        self.end(oldest)
        oldest.abort()
        return oldest is not connection

    def abort(self) -> None:
        """End all at once."""
        for connection in list(self._all):
            connection.abort()
