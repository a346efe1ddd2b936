"""RepositoryModelLoad and RepositoryModelUnload: a whole model, by the version policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.entries import MAX_PARAMETERS, at_most
from service.errors import Reason, ServiceError
from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.handlers.call import Call
    from service.oip.parts import Parts

# Extensions that bring a model along with the request. To load another instead would be to do something else.
_UNSUPPORTED = "config"
_UNSUPPORTED_PREFIX = "file:"


async def repository_model_load(
    parts: Parts, _call: Call, request: pb.RepositoryModelLoadRequest
) -> pb.RepositoryModelLoadResponse:
    """Load what the version policy wants; returns when it is ready.

    Raises:
        ServiceError: there is no such model, its newest version can't be loaded, or the request brings a model along.

    """
    at_most(MAX_PARAMETERS, request.parameters, "parameters")
    for name in request.parameters:
        if name == _UNSUPPORTED or name.startswith(_UNSUPPORTED_PREFIX):
            raise ServiceError(Reason.PARAMETER_UNSUPPORTED, parameter=name)
    await parts.keeper.load(request.model_name)
    return pb.RepositoryModelLoadResponse()


async def repository_model_unload(
    parts: Parts, _call: Call, request: pb.RepositoryModelUnloadRequest
) -> pb.RepositoryModelUnloadResponse:
    """Let no version of a model take new sequences; those that have begun go on.

    Raises:
        ServiceError: there is no such model.

    """
    await parts.keeper.unload(request.model_name)
    return pb.RepositoryModelUnloadResponse()
