"""What a raw call raises."""

from __future__ import annotations


class RawCallError(Exception):
    """A call wasn't answered. `code` is the name of a gRPC status, or an HTTP status as text.

    `details` is the serialised google.rpc.Status that came with it, in base64, if one did.
    """

    def __init__(self, code: str, message: str, details: bytes = b"") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details
