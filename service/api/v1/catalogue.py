"""ListModels and GetModel: what there is, whether it can be called, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soloist.v1.sequence_inference_pb2 import GetModelRequest, GetModelResponse, ListModelsRequest, ListModelsResponse

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.serving.inference import Serving


async def list_models(serving: Serving, _call: Call, _request: ListModelsRequest) -> ListModelsResponse:
    """List every version of every model, sorted by name and version."""
    return ListModelsResponse(models=[entry.status() for entry in serving.repository.entries()])


async def get_model(serving: Serving, call: Call, request: GetModelRequest) -> GetModelResponse:
    """Tell all about one version, also one that can't be called.

    Raises:
        ServiceError: MODEL_NOT_FOUND or MODEL_VERSION_NOT_FOUND.

    """
    entry = serving.repository.find(request.model, request.version, request.version_label)
    if entry.servable is None:
        return GetModelResponse(status=entry.status())
    call.model, call.version = entry.name, str(entry.version)
    return GetModelResponse(status=entry.status(), model=entry.servable.manifest)
