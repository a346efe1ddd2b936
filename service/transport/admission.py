"""The bounds on calls and on the bytes of their messages, for one connection and for all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

from service.core.client_shares import ClientShares, Share, part_of
from service.core.errors import Reason, ServiceError

# The memory of a message from when it is read until its call ends, as a multiple of its size: its bytes, the fields
# parsed from them, and their arrays.
MESSAGE_FACTOR = 3
# The only answer of a call, up to this size, is sent at once, whether or not its caller reads.
AT_ONCE_BYTES = 2**16
# One of a stream up to this size isn't counted: a call sends one at a time, and calls are bounded.
_UNCOUNTED_BYTES = 2**12


@dataclass(frozen=True, kw_only=True)
class CallLimits:
    """The bounds on what callers may use of the server, whatever they send."""

    max_message_bytes: int
    idle_seconds: float
    max_calls: int = 12_000
    max_bytes: int = 2**29
    max_connection_bytes: int = 2**28
    # 0: four fifths of all.
    max_calls_per_client: int = 0
    max_client_bytes: int = 0


class Admission:
    """The counts of calls and bytes. What exceeds the bounds is refused at once. Belongs to the event loop."""

    def __init__(self, limits: CallLimits) -> None:
        self._limits = limits
        self._calls = {False: 0, True: 0}
        most = part_of(limits.max_calls, limits.max_calls_per_client)
        self._call_shares = {of_machines: ClientShares(Share.CALLS, most) for of_machines in (False, True)}
        self._byte_shares = ClientShares(Share.MESSAGE_BYTES, part_of(limits.max_bytes, limits.max_client_bytes))
        self.shares = (*self._call_shares.values(), self._byte_shares)
        self._bytes = 0
        self._by_connection: dict[str, int] = {}

    def begin(self, client: str, *, of_machines: bool) -> None:
        """Take a place for one call. Calls of machines that watch the server have the same number of separate places.

        Raises:
            ServiceError: TOO_MANY_CALLS or CLIENT_LIMIT.

        """
        calls = self._calls[of_machines]
        if calls >= self._limits.max_calls:
            raise ServiceError(Reason.TOO_MANY_CALLS, calls=calls, max_calls=self._limits.max_calls)
        self._call_shares[of_machines].take(client)
        self._calls[of_machines] = calls + 1

    def end(self, client: str, *, of_machines: bool) -> None:
        """Give the place of a call back."""
        self._calls[of_machines] -= 1
        self._call_shares[of_machines].give_back(client)

    def require_room(
        self, connection: str, client: str, size: int, *, of_client: int | None = None, of_all: int | None = None
    ) -> None:
        """Refuse `size` more bytes of a connection.

        `of_client` and `of_all` are those of all connections of the client, and of everybody, if they are more.

        Raises:
            ServiceError: MEMORY_FULL or CLIENT_LIMIT.

        """
        held, most = self._by_connection.get(connection, 0) + size, self._limits.max_connection_bytes
        if held > most:
            raise ServiceError(Reason.MEMORY_FULL, scope="the connection", bytes=held, max_bytes=most)
        held, most = self._bytes + (size if of_all is None else of_all), self._limits.max_bytes
        if held > most:
            raise ServiceError(Reason.MEMORY_FULL, scope="the server", bytes=held, max_bytes=most)
        self._byte_shares.require_room(client, size if of_client is None else of_client)

    def take(self, connection: str, client: str, size: int) -> None:
        """Take `size` bytes until they are given back.

        Raises:
            ServiceError: MEMORY_FULL or CLIENT_LIMIT.

        """
        limits = self._limits
        total, held = self._bytes + size, self._by_connection.get(connection, 0) + size
        if total > limits.max_bytes or held > limits.max_connection_bytes:
            self.require_room(connection, client, size)
        self._byte_shares.take(client, size)
        self._bytes, self._by_connection[connection] = total, held

    def give_back(self, connection: str, client: str, size: int) -> None:
        """Give bytes back."""
        self._byte_shares.give_back(client, size)
        self._bytes -= size
        left = self._by_connection.pop(connection) - size
        if left:
            self._by_connection[connection] = left


class Held:
    """A block around one call that holds its place and its bytes, and frees all of them at the end.

    Raises:
        ServiceError: TOO_MANY_CALLS or CLIENT_LIMIT, when the block begins.

    """

    __slots__ = ("_admission", "_freed", "_of_machines", "_sizes", "client", "connection", "size")

    def __init__(self, admission: Admission, connection: str, client: str, *, of_machines: bool = False) -> None:
        self._admission = admission
        self._of_machines = of_machines
        self.connection, self.client = connection, client
        self._sizes: dict[int, int] = {}
        self.size = 0
        self._freed: asyncio.Event | None = None  # made when somebody waits for it

    def __enter__(self) -> Self:
        self._admission.begin(self.client, of_machines=self._of_machines)
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.end(self.client, of_machines=self._of_machines)
        if self.size:
            self.free_all()

    async def lighter_than(self, size: int) -> None:
        """Wait until the call holds less than `size` bytes."""
        while self.size >= size:
            if self._freed is None:
                self._freed = asyncio.Event()
            self._freed.clear()
            await self._freed.wait()

    def hold(self, owner: object, size: int) -> None:
        """Take bytes for an object that stays alive until they are freed.

        Raises:
            ServiceError: MEMORY_FULL or CLIENT_LIMIT.

        """
        self._admission.take(self.connection, self.client, size)
        key, sizes = id(owner), self._sizes
        sizes[key] = sizes.get(key, 0) + size
        self.size += size

    def hold_answer(self, size: int, *, uncounted: int = _UNCOUNTED_BYTES) -> None:
        """Take the bytes of the next answer, beside all else that the call holds, unless they are taken.

        Up to `uncounted` bytes aren't.

        Raises:
            ServiceError: MEMORY_FULL or CLIENT_LIMIT.

        """
        if size > uncounted and (more := size - self._sizes.get(id(self), 0)) > 0:
            self.hold(self, more)

    def free_answer(self) -> None:
        """Give back what the answer holds: it has been written."""
        self.free(self)

    def free(self, owner: object) -> None:
        """Give back what an object holds, if anything."""
        if size := self._sizes.pop(id(owner), 0):
            self._admission.give_back(self.connection, self.client, size)
            self.size -= size
            if self._freed is not None:
                self._freed.set()

    def free_all(self) -> None:
        """Give back everything."""
        if self.size:
            self._admission.give_back(self.connection, self.client, self.size)
        self.size = 0
        self._sizes.clear()
