"""What a store of sequences does: it returns the state of one, and takes the next only from who has seen the last."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store couldn't be asked, or didn't answer in time. What was to be written may have been written."""


class Stored(NamedTuple):
    """What is stored of one sequence. No two writes have the same fence."""

    fence: bytes
    value: bytes


class SequenceStore(Protocol):
    """The sequences of all servers, by key. Belongs to one event loop."""

    async def load(self, key: str) -> Stored | None:
        """Return what is stored under a key, None if there is nothing.

        Raises:
            StoreError: nobody knows.

        """

    async def save(self, key: str, new: Stored, *, expected: bytes | None, seconds: float) -> bool:
        """Store `new` for so many seconds, if what is there has the fence `expected`; None: if there is nothing.

        Returns:
            Whether it is there now: False if somebody else has written. To save the same again changes nothing.

        Raises:
            StoreError: nobody knows whether it was stored.

        """

    async def ping(self) -> None:
        """Ask whether it answers.

        Raises:
            StoreError: it doesn't.

        """

    async def close(self) -> None:
        """Close its connections."""
