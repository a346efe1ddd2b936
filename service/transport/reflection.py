"""Reflection: which services and messages there are, for grpcurl and the like. Its servicer comes with gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc_reflection.v1alpha.reflection_pb2 as reflection_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection

from service.access.need import REFLECT
from service.api.methods import StreamMethod

if TYPE_CHECKING:
    from service.api.methods import Method
    from service.serving.call import Call

_V1ALPHA, _V1 = "grpc.reflection.v1alpha", "grpc.reflection.v1"
# Both versions have the same messages; programs ask for the newer first.
REFLECTION = (reflection.SERVICE_NAME, reflection.SERVICE_NAME.replace(_V1ALPHA, _V1))


def reflection_methods(services: Sequence[str]) -> list[Method]:
    """Return reflection of these services."""
    _describe_v1()
    servicer = reflection.aio.ReflectionServicer(services)

    async def reflect(_call: Call, requests: AsyncIterator[Any]) -> AsyncGenerator[Any]:
        async for response in servicer.ServerReflectionInfo(requests, None):
            yield response

    return [
        StreamMethod(
            name="ServerReflectionInfo",
            request=reflection_pb2.ServerReflectionRequest,
            need=REFLECT,
            handler=reflect,
            in_drain=True,
        )
    ]


def _describe_v1() -> None:
    """Add the newer version to the descriptors: the Python package has the older only."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = file.name.replace("v1alpha", "v1"), _V1
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(_V1ALPHA, _V1)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(_V1ALPHA, _V1)
        method.output_type = method.output_type.replace(_V1ALPHA, _V1)
    descriptor_pool.Default().Add(file)
