"""RepositoryIndex: what there is, whether it can be called, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soloist.oip import grpc_service_pb2 as pb
from soloist.v1 import sequence_inference_pb2

if TYPE_CHECKING:
    from service.handlers.call import Call
    from service.oip.parts import Parts

_STATES = {
    sequence_inference_pb2.MODEL_STATE_READY: "READY",
    sequence_inference_pb2.MODEL_STATE_LOADING: "LOADING",
    sequence_inference_pb2.MODEL_STATE_UNAVAILABLE: "UNAVAILABLE",
    sequence_inference_pb2.MODEL_STATE_UNLOADING: "UNLOADING",
    sequence_inference_pb2.MODEL_STATE_UNLOADED: "UNAVAILABLE",  # the protocol has no other word
}


async def repository_index(parts: Parts, _call: Call, request: pb.RepositoryIndexRequest) -> pb.RepositoryIndexResponse:
    """List every version of every model, or those that are ready. There is one repository, whatever its name."""
    told = pb.RepositoryIndexResponse()
    for entry in parts.serving.repository.entries():
        if entry.servable is not None or not request.ready:
            status = entry.status()
            told.models.add(
                name=entry.name, version=str(entry.version), state=_STATES[status.state], reason=status.reason
            )
    return told
