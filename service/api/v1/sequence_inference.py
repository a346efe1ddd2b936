"""The methods of soloist.v1.SequenceInference, with the handlers of ListModels and GetModel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from service.access.need import ANY_ROLE, INFER
from service.api.methods import StreamMethod, UnaryMethod
from service.api.v1.compare import compare
from service.api.v1.predict import predict
from service.api.v1.stream import stream
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.comparison import Comparisons
    from service.serving.call import Call
    from service.serving.inference import Serving


def sequence_inference(serving: Serving, comparisons: Comparisons) -> list[UnaryMethod[Any] | StreamMethod[Any]]:
    """Return every method, bound to a running server."""
    return [
        UnaryMethod(name="Predict", request=pb.PredictRequest, need=INFER, handler=partial(predict, serving)),
        StreamMethod(
            name="Stream", request=pb.StreamRequest, need=INFER, handler=partial(stream, serving), takes_ahead=True
        ),
        UnaryMethod(
            name="Compare", request=pb.CompareRequest, need=INFER, handler=partial(compare, serving, comparisons)
        ),
        UnaryMethod(
            name="ListModels", request=pb.ListModelsRequest, need=ANY_ROLE, handler=partial(list_models, serving)
        ),
        UnaryMethod(name="GetModel", request=pb.GetModelRequest, need=ANY_ROLE, handler=partial(get_model, serving)),
    ]


async def list_models(serving: Serving, _call: Call, _request: pb.ListModelsRequest) -> pb.ListModelsResponse:
    """List every version of every model, sorted by name and version."""
    return pb.ListModelsResponse(models=[entry.status() for entry in serving.repository.entries()])


async def get_model(serving: Serving, call: Call, request: pb.GetModelRequest) -> pb.GetModelResponse:
    """Return all that is known of one version, even if it can't be called.

    Raises:
        ServiceError: MODEL_NOT_FOUND or MODEL_VERSION_NOT_FOUND.

    """
    entry = serving.repository.find(request.model, request.version, request.version_label)
    if entry.servable is None:
        return pb.GetModelResponse(status=entry.status())
    call.model, call.version = entry.name, str(entry.version)
    return pb.GetModelResponse(status=entry.status(), model=entry.servable.manifest)
