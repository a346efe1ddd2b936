"""Reflection: which services and messages there are, for grpcurl and the like. Its servicer comes with gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc_reflection.v1alpha.reflection_pb2 as reflection_pb2
from grpc_reflection.v1alpha import reflection

from service.api.methods import StreamMethod

if TYPE_CHECKING:
    from service.api.methods import Method
    from service.serving.call import Call

REFLECTION = reflection.SERVICE_NAME


def reflection_methods(services: Sequence[str]) -> list[Method]:
    """Return reflection of these services."""
    servicer = reflection.aio.ReflectionServicer(services)

    async def reflect(_call: Call, requests: AsyncIterator[Any]) -> AsyncGenerator[Any]:
        async for response in servicer.ServerReflectionInfo(requests, None):
            yield response

    return [
        StreamMethod(
            name="ServerReflectionInfo", request=reflection_pb2.ServerReflectionRequest, handler=reflect, in_drain=True
        )
    ]
