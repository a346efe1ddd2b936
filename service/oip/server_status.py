"""ServerLive, ServerReady, ModelReady, ServerMetadata: who answers, and whether it can be called."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from service.errors import ServiceError
from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.handlers.call import Call
    from service.oip.parts import Parts

_NAME = "soloist"
_EXTENSIONS = ("sequence", "model_configuration", "model_repository", "statistics", "parameters", "binary_tensor_data")


async def server_live(_parts: Parts, _call: Call, _request: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
    """Answer: who hears this lives."""
    return pb.ServerLiveResponse(live=True)


async def server_ready(parts: Parts, _call: Call, _request: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
    """Tell whether calls are taken."""
    return pb.ServerReadyResponse(ready=not parts.health.why_not_ready)


async def model_ready(parts: Parts, call: Call, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
    """Tell whether a model can be called; one that isn't there can't."""
    try:
        servable = parts.resolve(request.name, request.version)
    except ServiceError:
        return pb.ModelReadyResponse(ready=False)
    call.model, call.version = servable.name, str(servable.version)
    return pb.ModelReadyResponse(ready=True)


async def server_metadata(_parts: Parts, _call: Call, _request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
    """Tell name, version, and extensions of the protocol."""
    return pb.ServerMetadataResponse(name=_NAME, version=version("soloist"), extensions=_EXTENSIONS)
