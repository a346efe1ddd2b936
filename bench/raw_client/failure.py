"""What a raw call raises."""

from __future__ import annotations


class RawCallError(Exception):
    """A call wasn't answered. `code` is the name of a gRPC status, or an HTTP status as text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
