"""The methods of inference.GRPCInferenceService, bound to a running server, for any transport."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from google.protobuf.message import Message

from service.access.need import ADMIN, ANY_ROLE, EVERYBODY, INFER, MONITOR, Need
from service.api.methods import StreamMethod, UnaryMethod
from service.api.oip.management import (
    model_statistics,
    repository_index,
    repository_model_load,
    repository_model_unload,
)
from service.api.oip.metadata import (
    model_config,
    model_metadata,
    model_ready,
    server_live,
    server_metadata,
    server_ready,
)
from service.api.oip.model_infer import unary_infer
from service.api.oip.model_stream_infer import model_stream_infer
from service.core.errors import Reason, ServiceError
from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.serving.call import Call

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
# By method, over gRPC and REST.
NEEDS: dict[str, Need] = {
    "ServerLive": EVERYBODY,
    "ServerReady": EVERYBODY,
    "ModelReady": EVERYBODY,
    "ServerMetadata": ANY_ROLE,
    "ModelMetadata": ANY_ROLE,
    "ModelConfig": ANY_ROLE,
    "RepositoryIndex": ANY_ROLE,
    "ModelInfer": INFER,
    "ModelStreamInfer": INFER,
    "ModelStatistics": MONITOR,
    "RepositoryModelLoad": ADMIN,
    "RepositoryModelUnload": ADMIN,
    **dict.fromkeys(UNSUPPORTED, ANY_ROLE),
}


async def refuse(instead: str, call: Call, _request: Message) -> NoReturn:
    """Refuse a call: this server has no such feature.

    Raises:
        ServiceError: METHOD_UNSUPPORTED, always.

    """
    raise ServiceError(Reason.METHOD_UNSUPPORTED, method=call.api, instead=instead)


def open_inference(context: OipContext) -> list[UnaryMethod[Any] | StreamMethod[Any]]:
    """Bind every method."""
    methods: list[UnaryMethod[Any] | StreamMethod[Any]] = [
        UnaryMethod(
            name="ServerLive",
            need=NEEDS["ServerLive"],
            request=pb.ServerLiveRequest,
            handler=partial(server_live, context),
        ),
        UnaryMethod(
            name="ServerReady",
            need=NEEDS["ServerReady"],
            request=pb.ServerReadyRequest,
            handler=partial(server_ready, context),
        ),
        UnaryMethod(
            name="ModelReady",
            need=NEEDS["ModelReady"],
            request=pb.ModelReadyRequest,
            handler=partial(model_ready, context),
        ),
        UnaryMethod(
            name="ServerMetadata",
            need=NEEDS["ServerMetadata"],
            request=pb.ServerMetadataRequest,
            handler=partial(server_metadata, context),
        ),
        UnaryMethod(
            name="ModelMetadata",
            need=NEEDS["ModelMetadata"],
            request=pb.ModelMetadataRequest,
            handler=partial(model_metadata, context),
        ),
        UnaryMethod(
            name="ModelInfer",
            need=NEEDS["ModelInfer"],
            request=pb.ModelInferRequest,
            handler=partial(unary_infer, context),
        ),
        StreamMethod(
            name="ModelStreamInfer",
            need=NEEDS["ModelStreamInfer"],
            request=pb.ModelInferRequest,
            handler=partial(model_stream_infer, context),
            bounds_silence=True,
            side_by_side=True,
        ),
        UnaryMethod(
            name="ModelConfig",
            need=NEEDS["ModelConfig"],
            request=pb.ModelConfigRequest,
            handler=partial(model_config, context),
        ),
        UnaryMethod(
            name="ModelStatistics",
            need=NEEDS["ModelStatistics"],
            request=pb.ModelStatisticsRequest,
            handler=partial(model_statistics, context),
        ),
        UnaryMethod(
            name="RepositoryIndex",
            need=NEEDS["RepositoryIndex"],
            request=pb.RepositoryIndexRequest,
            handler=partial(repository_index, context),
        ),
        UnaryMethod(
            name="RepositoryModelLoad",
            need=NEEDS["RepositoryModelLoad"],
            request=pb.RepositoryModelLoadRequest,
            handler=partial(repository_model_load, context),
        ),
        UnaryMethod(
            name="RepositoryModelUnload",
            need=NEEDS["RepositoryModelUnload"],
            request=pb.RepositoryModelUnloadRequest,
            handler=partial(repository_model_unload, context),
        ),
    ]
    for name, (request, instead) in UNSUPPORTED.items():
        methods.append(UnaryMethod(name=name, need=NEEDS[name], request=request, handler=partial(refuse, instead)))
    return methods
