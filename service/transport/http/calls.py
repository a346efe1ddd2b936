"""The calls over HTTP: from a request to its handler and back, within the same bounds as over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote

import grpc

from service.api.routes import Answer, Body, Route
from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_NAME_BYTES
from service.transport.admission import AT_ONCE_BYTES, Admission, CallLimits, Held
from service.transport.boundary import Boundary
from service.transport.guards import OPEN, Guard, Guards
from service.transport.http.compression import compressed, decompressed
from service.transport.http.messages import Request, Response
from service.transport.http.statuses import as_json, failed

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.transport.http.connection import Connection
    from service.transport.http.incoming import Incoming
    from service.transport.peer_certificate import AuthContext

PREFIX = "/v2"
_JSON_BYTES = "inference-header-content-length"


class Calls:
    """All methods, by path and verb."""

    def __init__(
        self,
        routes: Iterable[Route],
        boundary: Boundary,
        admission: Admission,
        limits: CallLimits,
        guards: Guards = OPEN,
    ) -> None:
        self._boundary, self._admission, self._limits = boundary, admission, limits
        self.idle_seconds = limits.idle_seconds
        self._tree = _Node()
        for route in routes:
            node = self._tree
            for segment in _segments(route.path):
                node = node.below.setdefault(_ANY if segment.startswith("{") else segment, _Node())
            node.routes[route.verb] = route, guards.of(route.api, route.need)

    async def answer(
        self, request: Request, incoming: Incoming, connection: Connection, until_sent: ExitStack
    ) -> Response:
        """Answer a request whose path begins with PREFIX. A large answer is accounted for `until_sent` ends."""
        segments = _segments(request.path)
        routes = self._tree.find(segments)
        if not routes:
            return as_json(404, {"error": "there is no such path: the Open Inference Protocol lists the paths"})
        found_route = routes.get("GET" if request.method == "HEAD" else request.method)
        if found_route is None:
            allowed = ", ".join(sorted({"GET": "GET, HEAD"}.get(verb, verb) for verb in routes))
            return as_json(405, {"error": f"send {allowed}"}, allow=allowed)
        route, guard = found_route
        caller, found = HttpCaller(request), None
        connection.call = asyncio.current_task()
        try:
            async with self._boundary.around(route.api, caller, guard=guard) as call:
                call.route = f"{route.verb} {route.path}"
                with Held(self._admission, call.peer, call.client) as held:
                    call.hold_answer = partial(held.hold_answer, uncounted=AT_ONCE_BYTES)
                    names = _names(route, segments)
                    body = await self._body(request, incoming, held)
                    connection.all.busy(connection)
                    found = await route.handler(call, names, body)
                    del body
                self._hold(found, call, until_sent)
        except grpc.aio.AbortError:
            pass  # the caller has the status
        finally:
            connection.call = None
            connection.all.waiting(connection)
        response = failed(caller.status) if caller.status is not None else _of(found)
        return await compressed(response, request.headers.get("accept-encoding", ""))

    def _hold(self, answer: Answer, call: Call, until_sent: ExitStack) -> None:
        size = len(answer.text) + sum(map(len, answer.binary))
        if size > AT_ONCE_BYTES:
            waiting = Held(self._admission, call.peer, call.client)
            waiting.hold(answer, size)
            until_sent.callback(waiting.free_all)

    async def _body(self, request: Request, incoming: Incoming, held: Held) -> Body:
        sent = await incoming.read(held, self._limits)
        whole = await decompressed(sent, request.headers.get("content-encoding", ""), self._limits.max_message_bytes)
        if whole is not sent:
            held.hold(whole, len(whole))
        announced = request.headers.get(_JSON_BYTES)
        if announced is None:
            return Body(text=whole)
        if not (announced.isascii() and announced.isdecimal() and len(announced) < MAX_NAME_BYTES):
            raise ServiceError(Reason.JSON_INVALID, field="Inference-Header-Content-Length", expected="a number")
        size = int(announced)
        if size > len(whole):
            raise ServiceError(Reason.BODY_SIZE_MISMATCH, part="the body", bytes=len(whole), expected_bytes=size)
        return Body(text=whole[:size], binary=memoryview(whole)[size:])


class _Node:
    """What may follow a part of a path."""

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.routes: dict[str, tuple[Route, Guard | None]] = {}

    def find(self, segments: list[str]) -> Mapping[str, tuple[Route, Guard | None]]:
        """Return the routes of a path by verb; a segment that is named goes before one that may be anything."""
        if not segments:
            return self.routes
        for name in (segments[0], _ANY):
            node = self.below.get(name)
            if node is not None and (found := node.find(segments[1:])):
                return found
        return {}


_ANY = "{}"


@dataclass
class HttpCaller:
    """Who calls, as the boundary takes it."""

    request: Request
    status: grpc.Status | None = None

    def peer(self) -> str:
        """Return the caller's address."""
        return self.request.peer

    def auth_context(self) -> AuthContext:
        """Return who the caller's certificate says it is."""
        certificate = self.request.certificate
        return {} if certificate is None else certificate.auth_context()

    def time_remaining(self) -> None:
        """Return that HTTP has no deadlines; the parameter `timeout` of a request is one."""

    def invocation_metadata(self) -> Iterable[tuple[str, str]]:
        """Return the headers."""
        return self.request.headers.items()

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """Take the status that the call ends with, and end it as grpc.aio does.

        Raises:
            AbortError: always.

        """
        self.status = status
        raise grpc.aio.AbortError


def _segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")[1:]


def _names(route: Route, segments: list[str]) -> dict[str, str]:
    """Return the names in a path.

    Raises:
        ServiceError: NAME_TOO_LONG.

    """
    names = {}
    for pattern, segment in zip(_segments(route.path), segments, strict=True):
        if pattern.startswith("{"):
            field, name = pattern.strip("{}"), unquote(segment)
            size = len(name.encode(errors="replace"))
            if size > MAX_NAME_BYTES:
                raise ServiceError(Reason.NAME_TOO_LONG, field=field, bytes=size, max_bytes=MAX_NAME_BYTES)
            names[field] = name
    return names


def _of(answer: Answer | None) -> Response:
    assert answer is not None  # noqa: S101  # otherwise the call has a status
    headers = {"content-type": "application/json"}
    if answer.binary:
        headers = {"content-type": "application/octet-stream", _JSON_BYTES: str(len(answer.text))}
    return Response(status=answer.status, headers=headers, body=(answer.text, *answer.binary))
