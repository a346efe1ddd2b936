"""What one client may have of something that all share: a count for each, refused above the bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.errors import Reason, ServiceError
from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily

# Of what is bounded for all; the rest is left for others.
_PART, _WHOLE = 4, 5


class Share(StrEnum):
    """What clients have shares of, in the words of a refusal; names in small letters are a label of the metric."""

    CONNECTIONS = "connections"
    CALLS = "calls at once"
    MESSAGE_BYTES = "bytes of messages in progress"
    SESSIONS = "open sequences"
    STATE_BYTES = "bytes of states of open sequences"
    EARLY_LABELS = "labels without an answer in the log"
    LABELS = "labels in the log"


REFUSED = CounterFamily(
    name="soloist_client_limit_total",
    text="Refusals and closed connections because one client had its share already, by what of.",
    labels=("share",),
    values=tuple(share.name.lower() for share in Share),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (REFUSED,)


def part_of(most: int, own: int = 0) -> int:
    """Return what one client may have of `most`: `own` if that is set, or else four fifths."""
    return own or -(-most * _PART // _WHOLE)


class ClientShares:
    """The counts of all clients that have any. Belongs to the event loop; `refused` counts refusals."""

    def __init__(self, what: Share, most: int) -> None:
        """Create it; a client may have `most`."""
        self.what, self._most = what, most
        self._held: dict[str, int] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._held)

    def take(self, client: str, count: int = 1) -> None:
        """Let a client have `count` more.

        Raises:
            ServiceError: CLIENT_LIMIT.

        """
        held = self._held.get(client, 0) + count
        if held > self._most:
            raise self.refusal(client, held - count)
        self._held[client] = held

    def try_take(self, client: str) -> bool:
        """Let a client have one more, and return True; or count a refusal, and return False."""
        held = self._held.get(client, 0)
        if held >= self._most:
            self.refused += 1
            return False
        self._held[client] = held + 1
        return True

    def require_room(self, client: str, count: int) -> None:
        """Refuse what `take` would refuse.

        Raises:
            ServiceError: CLIENT_LIMIT.

        """
        held = self._held.get(client, 0)
        if held + count > self._most:
            raise self.refusal(client, held)

    def refusal(self, client: str, held: int) -> ServiceError:
        """Count a refusal, and return it."""
        self.refused += 1
        return ServiceError(Reason.CLIENT_LIMIT, client=client, held=held, what=self.what.value, most=self._most)

    def give_back(self, client: str, count: int = 1) -> None:
        """Take `count` back from a client."""
        left = self._held.pop(client, 0) - count
        if left > 0:
            self._held[client] = left


class SharesView:
    """The refusals of all shares as one metric; no client is named, since callers could make series without end."""

    def __init__(self, shares: Iterable[ClientShares]) -> None:
        self._shares = list(shares)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the metric, as the registry takes it."""
        family = REFUSED.collected()
        for what in Share:
            family.add_metric([what.name.lower()], sum(each.refused for each in self._shares if each.what is what))
        yield family
