"""Every method of every service that a server publishes, read from the descriptors of its messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from soloist.oip import grpc_service_pb2
from soloist.v1 import admin_pb2, feedback_pb2, norm_skew_pb2, sequence_inference_pb2

_MODULES = (
    sequence_inference_pb2,
    admin_pb2,
    feedback_pb2,
    norm_skew_pb2,
    grpc_service_pb2,
    health_pb2,
    reflection_pb2,
)
# What a call costs the server decides how often it is made: loading is work of a second, a comparison of many runs.
_WEIGHTS = {
    "Predict": 12.0,
    "ModelInfer": 16.0,
    "Report": 4.0,
    "GetModel": 2.0,
    "Compare": 1.5,
    "LoadModel": 0.05,
    "UnloadModel": 0.1,
    "RepositoryModelLoad": 0.05,
    "RepositoryModelUnload": 0.1,
    "UpdateRollout": 0.2,
    "ListModels": 0.2,
    "ModelStatistics": 0.2,
    "GetAccuracy": 0.3,
    "ListSampledSequences": 0.1,
}
# It would end the server that is tested.
_LEFT_OUT = frozenset({"Drain"})
CHANGES_MODELS = frozenset(
    {"LoadModel", "UnloadModel", "UpdateRollout", "RepositoryModelLoad", "RepositoryModelUnload"}
)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method: its path on the wire, and the messages that it takes and gives."""

    path: str
    name: str
    request: Descriptor
    response: Descriptor
    takes_stream: bool
    gives_stream: bool

    @property
    def is_unary(self) -> bool:
        """Return whether it answers one message with one."""
        return not (self.takes_stream or self.gives_stream)

    @property
    def weight(self) -> float:
        """How often it is called, in proportion to others."""
        return _WEIGHTS.get(self.name, 1.0)

    def empty(self) -> Message:
        """Return a request that says nothing."""
        return GetMessageClass(self.request)()


def all_methods() -> dict[str, Method]:
    """Return every method by its path, but for what ends a server."""
    files: Iterable[FileDescriptor] = (module.DESCRIPTOR for module in _MODULES)
    services = (service for file in files for service in file.services_by_name.values())
    found = (_method(each) for service in services for each in service.methods if each.name not in _LEFT_OUT)
    return {method.path: method for method in found}


def _method(descriptor: MethodDescriptor) -> Method:
    return Method(
        path=f"/{descriptor.containing_service.full_name}/{descriptor.name}",
        name=descriptor.name,
        request=descriptor.input_type,
        response=descriptor.output_type,
        takes_stream=bool(descriptor.client_streaming),
        gives_stream=bool(descriptor.server_streaming),
    )
