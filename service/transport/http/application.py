"""The ASGI application: what a request gets, and how an answer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from service.transport.http.messages import Page, Request, Response, text

if TYPE_CHECKING:
    from service.transport.http.connection import Connection

_log = structlog.get_logger("soloist.http")
# The longest time of a page, and of what its caller sends with it although nobody wants it.
_PAGE_SECONDS = 10.0
_MAX_UNWANTED_BYTES = 64 * 2**20
_READING = "GET, HEAD"

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class HttpApplication:
    """The pages of the HTTP port by path."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, in the way of ASGI."""
        request, connection = _request(scope), scope["state"]["connection"]
        try:
            async with asyncio.timeout(_PAGE_SECONDS):
                response = await self._page(request)
                if request.method not in ("GET", "HEAD") and "expect" not in request.headers:
                    await _discard(receive)
        except TimeoutError:
            response = text(503, "not answered in time")
        except Exception:
            _log.exception("HTTP request failed", peer=request.peer)
            response = text(500, "internal error")
        await deliver(response, send, connection, _PAGE_SECONDS)

    async def _page(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return text(405, f"send {_READING}", allow=_READING, connection="close")
        page = self._pages.get(request.path)
        return text(404, f"try {', '.join(self._pages)}") if page is None else await page(request)


async def deliver(response: Response, send: Send, connection: Connection, within_seconds: float) -> None:
    """Send an answer, and return when the system has taken it; a caller that doesn't read is sent away."""
    headers = {**response.headers, "content-length": str(response.size)}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    try:
        async with asyncio.timeout(within_seconds):
            await send({"type": "http.response.start", "status": response.status, "headers": raw})
            for piece in response.body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
    except TimeoutError:
        connection.abort()


async def _discard(receive: Receive) -> None:
    """Read a body that nobody wants: if a connection closes with unread bytes, its answer is lost."""
    unwanted = 0
    while unwanted < _MAX_UNWANTED_BYTES:
        message = await receive()
        unwanted += len(message.get("body", b""))
        if not message.get("more_body"):
            return


def _request(scope: Mapping[str, Any]) -> Request:
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
    )
