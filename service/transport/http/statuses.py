"""The HTTP status of every canonical code, and the JSON of an error."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from service.core.errors import REASONS, ServiceError
from service.transport.http.messages import Response
from soloist.json_text import json_text

# As google.rpc.Code and gRPC gateways map them; 499 is nginx's for a caller who has left.
HTTP_STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
        "FAILED_PRECONDITION": HTTPStatus.BAD_REQUEST,
        "NOT_FOUND": HTTPStatus.NOT_FOUND,
        "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
        "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
        "ABORTED": HTTPStatus.CONFLICT,
        "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
        "CANCELLED": 499,
        "INTERNAL": HTTPStatus.INTERNAL_SERVER_ERROR,
        "UNIMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
        "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
        "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
    }
)


def failed(status: grpc.Status) -> Response:
    """Return the answer to a call that ended with a status: its message, code, reason, hint and facts."""
    code, fields = status.code.name, {"error": status.details, "code": status.code.name}
    for name, value in status.trailing_metadata or ():
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            fields |= _details(value)
    headers = {"www-authenticate": "Bearer"} if code == "UNAUTHENTICATED" else {}
    return as_json(HTTP_STATUSES[code], fields, **headers)


def as_json(status: int, value: Mapping[str, Any], **headers: str) -> Response:
    """Return an answer in JSON."""
    return Response(
        status=status,
        headers={"content-type": "application/json", **headers},
        body=(json_text(value).encode(errors="replace"),),
    )


def _details(packed: bytes) -> Mapping[str, Any]:
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(packed).details:
        if detail.Unpack(info):
            facts = dict(info.metadata)
            hint = ServiceError(REASONS[info.reason], **facts).hint
            return {"reason": info.reason, "hint": hint, "facts": facts}
    return {}
