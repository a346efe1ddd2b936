"""The methods of grpc.health.v1, which read the server's health, for load balancers and other machines.

The servicer of grpcio-health-checking isn't used: when the first of two watchers of a service leaves, the other gets no
more notifications, and nothing ends a watch when the server stops.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health_pb2

from service.access.need import EVERYBODY
from service.api.methods import ServerStreamMethod, UnaryMethod
from service.core.errors import Reason, ServiceError

if TYPE_CHECKING:
    from service.api.methods import Method
    from service.core.health import Health
    from service.serving.call import Call

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_Status = health_pb2.HealthCheckResponse
_STATUS = {True: _Status.SERVING, False: _Status.NOT_SERVING, None: _Status.SERVICE_UNKNOWN}


def health_methods(health: Health) -> list[Method]:
    """Return Check and Watch of the server (""), its APIs, and every model by name."""
    return [
        UnaryMethod(
            name="Check",
            request=health_pb2.HealthCheckRequest,
            need=EVERYBODY,
            handler=partial(check, health),
            in_drain=True,
        ),
        ServerStreamMethod(
            name="Watch",
            request=health_pb2.HealthCheckRequest,
            need=EVERYBODY,
            handler=partial(watch, health),
            in_drain=True,
        ),
    ]


async def check(health: Health, _call: Call, request: Any) -> Any:
    """Return the status of one service.

    Raises:
        ServiceError: SERVICE_UNKNOWN.

    """
    serving = health.statuses.get(request.service)
    if serving is None:
        raise ServiceError(Reason.SERVICE_UNKNOWN, service=request.service)
    return _Status(status=_STATUS[serving])


async def watch(health: Health, _call: Call, request: Any) -> AsyncGenerator[Any]:
    """Yield the status of one service now and at every change, until the server stops."""
    async with aclosing(health.watch(request.service)) as statuses:
        async for serving in statuses:
            yield _Status(status=_STATUS[serving])
