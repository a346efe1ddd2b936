"""How an error travels: a google.rpc.Status with an ErrorInfo, in the trailing metadata of a gRPC status."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from service.errors import ServiceError

DOMAIN = "soloist"


def to_grpc_status(error: ServiceError) -> grpc.Status:
    """Turn an error into what `abort_with_status` takes: code, message for people, reason and facts for programs."""
    info = error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason.name)
    for name, value in error.facts.items():
        info.metadata[name] = str(value)
    detail = Any()
    detail.Pack(info)
    code = grpc.StatusCode[error.reason.code]
    status = status_pb2.Status(code=code.value[0], message=str(error), details=[detail])
    return rpc_status.to_status(status)  # type: ignore[no-any-return]  # the package has no types
