"""What the blocking clients of every audience share: a connection that ends with the block."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from soloist.client.connection import Connection


class Connected:
    """Holds the connection to one server. Close it, or use `with`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the connection; what is under way is cancelled."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
