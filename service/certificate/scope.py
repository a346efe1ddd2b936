"""Which models can be proved, and which compared: what they read beside frames would have to be drawn, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from soloist.v1.model_pb2 import Model, Signature


def why_unproved(model: Model) -> str:
    """Return why bits of a model can't be proved, in words; empty when they can.

    Inputs that may be left out are left out, so nothing is proved of calls that send them.
    """
    signature = model.signature
    if not signature.HasField("frames"):
        return "which of its axes is time isn't told"
    carries = model.causal and bool(signature.states)
    varies = signature.frames.shape[0] != 1 or signature.HasField("length") or carries or signature.frames_per_run > 0
    return _first(
        _causes(signature)
        | {
            "how many tokens there are isn't told": not signature.token_count and _is_whole(signature),
            "its outputs have no time axis": not signature.frames_per_run and _lacks_time(signature),
            "it takes one row a run, of any length, and carries nothing: there is nothing to vary": not varies,
        }
    )


def why_not(signature: Signature) -> str:
    """Return why rows, padding and chunks can't all be varied, in words; empty when they can."""
    if not signature.HasField("frames"):
        return "which of its axes is time isn't told"
    return _first(
        {
            "it takes one frame a run": signature.frames_per_run == 1,
            f"it takes {signature.frames_per_run} frames a run": signature.frames_per_run > 1,
            **_causes(signature),
            "it takes one row a run": signature.frames.shape[0] == 1,
            "its outputs have no time axis": _lacks_time(signature),
        }
    )


def _causes(signature: Signature) -> dict[str, bool]:
    sent = [each for each in signature.inputs if not each.optional and not each.HasField("constant")]
    return {
        f"it reads {', '.join(each.tensor.name for each in sent)} beside the frames": bool(sent),
        "it reads where in its sequence it is": bool(signature.controls),
        "the size of its frames isn't told": -1 in list(signature.frames.shape)[2:],
    }


def _lacks_time(signature: Signature) -> bool:
    return any(spec.HasField("layout") and spec.layout.time_axis < 0 for spec in (signature.frames, signature.outputs))


def _is_whole(signature: Signature) -> bool:
    return dtype_of(signature.frames.data_type).kind in "iu"


def _first(causes: dict[str, bool]) -> str:
    return next((cause for cause, holds in causes.items() if holds), "")
