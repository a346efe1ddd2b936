"""What came of a call: its code, its reason, and what is wrong with that, if anything is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.rpc import error_details_pb2, status_pb2

from soloist.oip.grpc_service_pb2 import ModelStreamInferResponse

if TYPE_CHECKING:
    from bench.fuzz.script import Script

_DOMAIN = "soloist"
_DETAILS = "grpc-status-details-bin"
_NEVER = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
# Statuses that gRPC or a protocol of others gives, and who: they can bear no reason of ours.
_FOREIGN: Mapping[tuple[str, str], str] = {
    ("DEADLINE_EXCEEDED", "Deadline Exceeded"): "the caller's own clock",
    ("DEADLINE_EXCEEDED", "Stream removed (Deadline Exceeded)"): "the caller's own clock",
    ("CANCELLED", "Locally cancelled by application!"): "the caller itself",
    ("CANCELLED", "CANCELLED"): "HTTP/2: a caller who has cancelled is told so",
    ("CANCELLED", ""): "HTTP/2: a caller who has cancelled is told so",
    # What the server said is lost; if it was INTERNAL, its log has a traceback, which is looked for.
    ("INTERNAL", "Internal error from Core"): "grpc.aio in the caller, where a message meets the end of its call",
}
# With the sizes behind it: gRPC looks at a message's length before we see anything of it.
_TOO_LARGE = ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Of a call, or of one answer of a stream that goes on; `fault` is empty where all is well."""

    code: str
    reason: str
    details: str = ""
    fault: str = ""


def of_call(script: Script, code: grpc.StatusCode, details: str, trailers: Mapping[str, str | bytes]) -> Outcome:
    """Judge how a call ended."""
    if code is grpc.StatusCode.OK:
        return Outcome(code="OK", reason="")
    info = _info(trailers.get(_DETAILS))
    if info is not None and info.domain == _DOMAIN:
        fault = f"{code.name} can't be caused by an input" if code.name in _NEVER else ""
        return Outcome(code=code.name, reason=info.reason, details=details, fault=fault)
    return Outcome(code=code.name, reason="", details=details, fault=_fault_of_untyped(script, code.name, details))


def of_answer(script: Script, data: bytes) -> Outcome | None:
    """Judge one answer of a stream; None where it is no error."""
    if not script.path.endswith("/ModelStreamInfer"):
        return None
    message = ModelStreamInferResponse.FromString(data).error_message
    if not message:
        return None
    reason = message.partition(":")[0]
    fault = "INTERNAL can't be caused by an input" if reason in _NEVER else ""
    return Outcome(code="(in stream)", reason=reason, details=message, fault=fault)


def _fault_of_untyped(script: Script, code: str, details: str) -> str:
    if code == "DEADLINE_EXCEEDED" and script.is_patient:
        return "the call hangs"
    if (code, details) in _FOREIGN or (code == _TOO_LARGE[0] and details.startswith(_TOO_LARGE[1])):
        return ""
    return f"{code} can't be caused by an input" if code in _NEVER else "no reason of ours, and none of gRPC's own"


def _info(details: str | bytes | None) -> error_details_pb2.ErrorInfo | None:
    if not isinstance(details, bytes):
        return None
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(details).details:
        if detail.Unpack(info):
            return info
    return None
