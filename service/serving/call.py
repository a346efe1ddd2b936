"""The call that a handler answers, independent of its transport."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.core.client_address import client_of

if TYPE_CHECKING:
    from service.access.client import Client

# A transport's timer and ours read different clocks: a call that ends this close to its deadline is ended by it.
_DEADLINE_SLACK_SECONDS = 0.02


@dataclass(kw_only=True, slots=True)
class Call:
    """One call. The transport fills in the first fields, the handler the last ones.

    Metrics and the log need to know which model a call was for, and only the handler finds out: it writes `model` and
    `version` once they are known to exist, so that nothing a caller invents ever becomes a label.
    """

    api: str
    peer: str = ""
    # Who calls, where callers have to show it.
    identity: Client | None = None
    # Reading it from the transport takes time, and few need it.
    read_metadata: Callable[[], Iterable[tuple[str, str | bytes]] | None] = tuple
    # In seconds of time.monotonic(); None when the caller sets none.
    deadline: float | None = None
    # True once the caller has gone or has been disconnected.
    cancelled: bool = False
    # `hold` reserves more bytes for a message; `done_with` frees all that it holds. They are for handlers that read the
    # next message before they are done with one.
    hold: Callable[[object, int], None] = lambda _message, _size: None
    done_with: Callable[[object], None] = lambda _message: None
    # Reserves the bytes of the next answer until it is written, so that none is refused that somebody has heard of.
    hold_answer: Callable[[int], None] = lambda _size: None
    # Frees the bytes of a call's only request, for handlers that are done with it before they answer.
    free_request: Callable[[], None] = lambda: None
    # Whether the last message of a stream was there before it was asked for: then its caller doesn't wait for answers.
    sends_ahead: bool = False
    # Returns the next message of a stream if it has arrived, else None; raises what reading it would raise. What it
    # returns is held until the message after it is read.
    arrived: Callable[[], Any] = lambda: None

    model: str = ""
    version: str = ""
    session_id: str = ""
    # Why it failed: a stable reason; empty if it didn't.
    reason: str = ""
    # Over HTTP: verb and path, with names in braces.
    route: str = ""
    # What a trace of the call keeps, if there is one.
    trace: Any = None
    # The frames that were sent to be run.
    frame_count: int = 0
    # How long the model allows its caller to send nothing; 0 while the model isn't known.
    idle_seconds: float = 0.0
    # In seconds of time.perf_counter(): when the first frames arrived, and when the first output left.
    first_frames_at: float | None = None
    first_output_at: float | None = None

    @property
    def owner(self) -> str:
        """Return the name of the client that gets the answer; empty if nobody has to show who calls."""
        return "" if self.identity is None else self.identity.name

    @property
    def client(self) -> str:
        """Return who calls: the name of a token or certificate, or else the address (service.core.client_address)."""
        return self.owner or client_of(self.peer)

    @property
    def taker_of_turns(self) -> str:
        """Return who takes turns with others: a client that has shown who it is, or else a connection.

        So many connections of such a client have one turn together. Those of an address may be many callers of a proxy.
        """
        return self.owner or self.peer

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """Return what the caller has sent with the call."""
        return dict(self.read_metadata() or ())

    def is_past_deadline(self) -> bool:
        """Return whether the caller has stopped waiting."""
        return self.deadline is not None and time.monotonic() >= self.deadline - _DEADLINE_SLACK_SECONDS
