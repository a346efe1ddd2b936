"""An HTTP request before its body is read, and an answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.transport.peer_certificate import PeerCertificate

Headers = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The head of a request. Names of headers are in lower case; the path is as it was sent, still escaped."""

    method: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=dict)
    peer: str = ""
    certificate: PeerCertificate | None = None


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer. The body may be in pieces, which are sent one after the other."""

    status: int
    headers: Headers
    body: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Return the number of bytes of the body."""
        return sum(map(len, self.body))


# A page is answered without a body, and isn't counted as a call.
Page = Callable[[Request], Coroutine[Any, Any, Response]]


def text(status: int, line: str, **headers: str) -> Response:
    """Return an answer of one line of text."""
    return Response(
        status=status, headers={"content-type": "text/plain; charset=utf-8", **headers}, body=(f"{line}\n".encode(),)
    )
