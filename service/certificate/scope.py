"""Which models can be proved, and compared: those that take frames, of any number, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soloist.v1.model_pb2 import Signature


def why_not(signature: Signature) -> str:
    """Say why rows, padding and chunks can't be varied, in words; empty when they can."""
    sent = [each for each in signature.inputs if not each.optional and not each.HasField("constant")]
    layouts = [spec.layout for spec in (signature.frames, signature.outputs) if spec.HasField("layout")]
    causes = {
        "it takes one frame a run": signature.frames_per_run == 1,
        f"it takes {signature.frames_per_run} frames a run": signature.frames_per_run > 1,
        f"it reads {', '.join(each.tensor.name for each in sent)} beside the frames": bool(sent),
        "it reads where in its sequence it is": bool(signature.controls),
        "it takes one row a run": signature.frames.shape[0] == 1,
        "the size of its frames isn't told": -1 in list(signature.frames.shape)[2:],
        "its outputs have no time axis": any(layout.time_axis < 0 for layout in layouts),
    }
    return next((cause for cause, holds in causes.items() if holds), "")
