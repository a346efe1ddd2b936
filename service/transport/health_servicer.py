"""grpc.health.v1 over the server's own record of its health.

The servicer of grpcio-health-checking isn't used: the first of two watchers of one service to leave takes the other's
notifications with it, and nothing ends a watch when the server wants to stop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.health import Health

_Status = health_pb2.HealthCheckResponse
_STATUS = {True: _Status.SERVING, False: _Status.NOT_SERVING, None: _Status.SERVICE_UNKNOWN}


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the base class has no types
    """Answers Check and Watch for the server (""), its API, and every model by name."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """Tell the status of one service; NOT_FOUND when there is none of that name."""
        serving = self._health.statuses.get(request.service)
        if serving is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service or model is called {request.service!r}")
        return _Status(status=_STATUS[serving])

    async def Watch(
        self,
        request: Any,
        _context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[Any]:
        """Tell the status of one service now and at every change, until the server stops."""
        async with aclosing(self._health.watch(request.service)) as statuses:
            async for serving in statuses:
                yield _Status(status=_STATUS[serving])
