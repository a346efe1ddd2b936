"""The token that a client shows with every call, and where it may be sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# RFC 6750, section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True)
class Token:
    """A bearer token. Over a plain connection it goes to this machine only, unless `over_plaintext` allows more."""

    secret: str = field(repr=False)
    over_plaintext: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.secret):
            raise ValueError("the token is empty, or has characters that no token has")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return it as a call sends it."""
        return (("authorization", f"Bearer {self.secret}"),)


def as_token(token: Token | str | None) -> Token | None:
    """Return a token that was given as one, or as its text. Raises ValueError for a text that is no token."""
    return Token(token) if isinstance(token, str) else token


class WithToken:
    """A channel whose calls all show a token; blocking or for asyncio, as generated stubs use it."""

    def __init__(self, channel: Any, token: Token) -> None:
        self._channel = channel
        self._metadata = token.metadata
        self.close = channel.close

    def unary_unary(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Return a callable of the channel's."""
        return partial(self._channel.unary_unary(*arguments, **options), metadata=self._metadata)

    def unary_stream(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Return a callable of the channel's."""
        return partial(self._channel.unary_stream(*arguments, **options), metadata=self._metadata)

    def stream_unary(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Return a callable of the channel's."""
        return partial(self._channel.stream_unary(*arguments, **options), metadata=self._metadata)

    def stream_stream(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Return a callable of the channel's."""
        return partial(self._channel.stream_stream(*arguments, **options), metadata=self._metadata)
