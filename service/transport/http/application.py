"""The ASGI application: who answers a request, and how the answer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from service.core.errors import ServiceError
from service.transport.http.calls import PREFIX
from service.transport.http.incoming import Incoming
from service.transport.http.messages import Page, Request, Response, text

if TYPE_CHECKING:
    from service.transport.http.calls import Calls
    from service.transport.http.connection import Connection
    from service.transport.peer_certificate import PeerCertificate

_log = structlog.get_logger("soloist.http")
# The longest time of a page, and of what its caller sends with it although nobody wants it.
_PAGE_SECONDS = 10.0
_READING = "GET, HEAD"
_TLS_PIECE_BYTES = 2**16

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class HttpApplication:
    """The pages of the HTTP port by path, and the calls below PREFIX."""

    def __init__(
        self, pages: Mapping[str, Page], calls: Calls | None = None, *, page_seconds: float = _PAGE_SECONDS
    ) -> None:
        self._pages = pages
        self._page_seconds = page_seconds
        self._calls = calls

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, in the way of ASGI."""
        connection = scope["state"]["connection"]
        request = _request(scope, connection.certificate)
        incoming = Incoming(request, receive)
        calls = self._calls if self._is_call(request.path) else None
        try:
            with ExitStack() as held:
                if calls is not None:
                    response = await _answered(calls.answer(request, incoming, connection, held))
                else:
                    response = await _answered(self._page(request))
                if not await _discarded(incoming):
                    response = replace(response, headers={**response.headers, "connection": "close"})
                await _deliver(response, send, connection, self._page_seconds if calls is None else calls.idle_seconds)
        except asyncio.CancelledError:
            connection.abort()  # its caller has left

    def _is_call(self, path: str) -> bool:
        is_below = path == PREFIX or path.startswith(f"{PREFIX}/")
        return self._calls is not None and is_below and path not in self._pages

    async def _page(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return text(405, f"send {_READING}", allow=_READING, connection="close")
        page = self._pages.get(request.path)
        if page is None:
            return text(404, f"try {', '.join(self._pages)}")
        try:
            async with asyncio.timeout(self._page_seconds):
                return await page(request)
        except TimeoutError:
            return text(503, "not answered in time")


async def _answered(answer: Awaitable[Response]) -> Response:
    try:
        return await answer
    except Exception:
        _log.exception("HTTP request failed")
        return text(500, "internal error")


async def _deliver(response: Response, send: Send, connection: Connection, within_seconds: float) -> None:
    """Send an answer, and return when the system has taken it; a caller that doesn't read is sent away."""
    headers = {**response.headers, "content-length": str(response.size)}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    try:
        async with asyncio.timeout(within_seconds):
            await send({"type": "http.response.start", "status": response.status, "headers": raw})
            for piece in _cut(response.body) if connection.is_secure else response.body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
    except TimeoutError:
        connection.reset()


def _cut(body: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """Cut what is sent over TLS: event loops tell that the system doesn't take it only of what comes after it."""
    for piece in body:
        whole = memoryview(piece)
        yield from (whole[start : start + _TLS_PIECE_BYTES] for start in range(0, len(whole), _TLS_PIECE_BYTES))


async def _discarded(incoming: Incoming) -> bool:
    """Read the rest of a body that nobody wants, and return whether that was all of it."""
    if incoming.is_over:
        return True
    try:
        async with asyncio.timeout(_PAGE_SECONDS):
            return await incoming.discard()
    except (TimeoutError, ServiceError):
        return False


def _request(scope: Mapping[str, Any], certificate: PeerCertificate | None) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    host, port = scope["client"] or ("", 0)
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        # As gRPC writes it.
        peer=f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}",
        certificate=certificate,
    )
