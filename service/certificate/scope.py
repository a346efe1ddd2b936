"""The scope of certificates and comparisons: models with inputs that would have to be drawn are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from soloist.v1.model_pb2 import Model, Signature


def why_unproved(model: Model) -> str:
    """Return in words why a model can't be certified; empty if it can.

    Optional inputs are not sent, so the certificate doesn't hold for calls that send them.
    """
    signature = model.signature
    if not signature.HasField("frames"):
        return "its time axis is unknown"
    carries = model.causal and bool(signature.states)
    varies = signature.frames.shape[0] != 1 or signature.HasField("length") or carries or signature.frames_per_run > 0
    return _first(
        _causes(signature)
        | {
            "the number of tokens is unknown": not signature.token_count and _is_whole(signature),
            "its outputs have no time axis": not signature.frames_per_run and _lacks_time(signature),
            "it takes one row per run, of any length, and has no states: there is nothing to vary": not varies,
        }
    )


def why_not(signature: Signature) -> str:
    """Return in words why rows, padding and chunks can't all be varied; empty if they can."""
    if not signature.HasField("frames"):
        return "its time axis is unknown"
    return _first(
        {
            "it takes one frame per run": signature.frames_per_run == 1,
            f"it takes {signature.frames_per_run} frames per run": signature.frames_per_run > 1,
            **_causes(signature),
            "it takes one row per run": signature.frames.shape[0] == 1,
            "its outputs have no time axis": _lacks_time(signature),
        }
    )


def _causes(signature: Signature) -> dict[str, bool]:
    sent = [each for each in signature.inputs if not each.optional and not each.HasField("constant")]
    return {
        f"it has inputs in addition to the frames: {', '.join(each.tensor.name for each in sent)}": bool(sent),
        "it has control inputs": bool(signature.controls),
        "the size of its frames is open": -1 in list(signature.frames.shape)[2:],
    }


def _lacks_time(signature: Signature) -> bool:
    return any(spec.HasField("layout") and spec.layout.time_axis < 0 for spec in (signature.frames, signature.outputs))


def _is_whole(signature: Signature) -> bool:
    return dtype_of(signature.frames.data_type).kind in "iu"


def _first(causes: dict[str, bool]) -> str:
    return next((cause for cause, holds in causes.items() if holds), "")
