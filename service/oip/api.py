"""The methods of inference.GRPCInferenceService, bound to a running server's parts, for any transport."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from service.handlers.api import StreamMethod, UnaryMethod
from service.oip.model_infer import model_infer
from service.oip.model_metadata import model_config, model_metadata
from service.oip.model_statistics import model_statistics
from service.oip.model_stream_infer import model_stream_infer
from service.oip.repository_control import repository_model_load, repository_model_unload
from service.oip.repository_index import repository_index
from service.oip.server_status import model_ready, server_live, server_metadata, server_ready
from service.oip.unsupported import UNSUPPORTED, refuse
from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.oip.parts import Parts


def open_inference(parts: Parts) -> list[UnaryMethod[Any] | StreamMethod[Any]]:
    """Bind every method."""
    methods: list[UnaryMethod[Any] | StreamMethod[Any]] = [
        UnaryMethod(name="ServerLive", request=pb.ServerLiveRequest, handler=partial(server_live, parts)),
        UnaryMethod(name="ServerReady", request=pb.ServerReadyRequest, handler=partial(server_ready, parts)),
        UnaryMethod(name="ModelReady", request=pb.ModelReadyRequest, handler=partial(model_ready, parts)),
        UnaryMethod(name="ServerMetadata", request=pb.ServerMetadataRequest, handler=partial(server_metadata, parts)),
        UnaryMethod(name="ModelMetadata", request=pb.ModelMetadataRequest, handler=partial(model_metadata, parts)),
        UnaryMethod(name="ModelInfer", request=pb.ModelInferRequest, handler=partial(model_infer, parts)),
        StreamMethod(
            name="ModelStreamInfer",
            request=pb.ModelInferRequest,
            handler=partial(model_stream_infer, parts),
            bounds_silence=True,
            side_by_side=True,
        ),
        UnaryMethod(name="ModelConfig", request=pb.ModelConfigRequest, handler=partial(model_config, parts)),
        UnaryMethod(
            name="ModelStatistics", request=pb.ModelStatisticsRequest, handler=partial(model_statistics, parts)
        ),
        UnaryMethod(
            name="RepositoryIndex", request=pb.RepositoryIndexRequest, handler=partial(repository_index, parts)
        ),
        UnaryMethod(
            name="RepositoryModelLoad",
            request=pb.RepositoryModelLoadRequest,
            handler=partial(repository_model_load, parts),
        ),
        UnaryMethod(
            name="RepositoryModelUnload",
            request=pb.RepositoryModelUnloadRequest,
            handler=partial(repository_model_unload, parts),
        ),
    ]
    for name, (request, instead) in UNSUPPORTED.items():
        methods.append(UnaryMethod(name=name, request=request, handler=partial(refuse, instead)))
    return methods
