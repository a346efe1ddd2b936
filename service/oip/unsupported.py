"""Methods of the protocol that are refused, each with what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from google.protobuf.message import Message

from service.errors import Reason, ServiceError
from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.handlers.call import Call

_TENSORS = "send tensors in the request"
_TRACES = "watch /metrics"
_LOG = "set log_level and log_format when the server starts"
UNSUPPORTED: dict[str, tuple[type[Message], str]] = {
    "SystemSharedMemoryStatus": (pb.SystemSharedMemoryStatusRequest, _TENSORS),
    "SystemSharedMemoryRegister": (pb.SystemSharedMemoryRegisterRequest, _TENSORS),
    "SystemSharedMemoryUnregister": (pb.SystemSharedMemoryUnregisterRequest, _TENSORS),
    "CudaSharedMemoryStatus": (pb.CudaSharedMemoryStatusRequest, _TENSORS),
    "CudaSharedMemoryRegister": (pb.CudaSharedMemoryRegisterRequest, _TENSORS),
    "CudaSharedMemoryUnregister": (pb.CudaSharedMemoryUnregisterRequest, _TENSORS),
    "TraceSetting": (pb.TraceSettingRequest, _TRACES),
    "LogSettings": (pb.LogSettingsRequest, _LOG),
}


async def refuse(instead: str, call: Call, _request: Message) -> NoReturn:
    """Say that there is no such thing here.

    Raises:
        ServiceError: METHOD_UNSUPPORTED, always.

    """
    raise ServiceError(Reason.METHOD_UNSUPPORTED, method=call.api, instead=instead)
