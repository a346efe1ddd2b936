"""What the caller of a stream has sent ahead: the messages that arrived before the handler was done with the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from service.transport.admission import Held

# A stream that holds this many bytes of messages takes no more ahead.
_MOST_BYTES = 2**20


class Ahead:
    """The messages of one stream that its handler takes before it is done with one (Call.arrived).

    `is_probable` is whether the last message was there before it was asked for: then the caller doesn't wait for
    answers. Other streams aren't looked at, so they pay nothing.
    """

    __slots__ = ("_held", "_read", "_taken", "is_probable")

    def __init__(self, held: Held, read: Callable[[], Message | None]) -> None:
        """Create it; `read` returns the next message if it has arrived."""
        self._held = held
        self._read = read
        self._taken: list[Message] = []
        self.is_probable = False

    def take(self) -> Message | None:
        """Return the next message if it has arrived and may be held as well.

        Raises:
            ServiceError: it can't be read.

        """
        if not self.is_probable or self._held.size >= _MOST_BYTES:
            return None
        message = self._read()
        if message is not None:
            self._taken.append(message)
        return message

    def free(self) -> None:
        """Give back what the messages hold that were taken."""
        for message in self._taken:
            self._held.free(message)
        self._taken.clear()
