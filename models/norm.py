"""The normalisers by name, and what of them folds into a neighbouring linear map.

Shape suffixes: B batch, T time, C features.

A normaliser is called as `norm(x_BTC, valid_BT)`; `valid_BT` says which frames are no padding. Those of one frame
(models/feature_norm.py) don't look at it. LayerNorm and RMSNorm stay one ONNX node each from opset 23 on, which the
promise of equal bits needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.batch_norm import BatchNorm, CurrentBatchNorm
from models.feature_norm import DyT, GroupStepNorm, LayerNorm, NoNorm, RMSNorm
from models.moments import EPS, valid_frames
from models.sequence_norm import GroupNorm, InstanceNorm
from models.step_batch_norm import StepAffine, StepBatchNorm

__all__ = [
    "EPS",
    "NORMS",
    "SERVED_AS",
    "BatchNorm",
    "CurrentBatchNorm",
    "LayerNorm",
    "NoNorm",
    "Norm",
    "NormPair",
    "RMSNorm",
    "StepAffine",
    "StepBatchNorm",
    "Trained",
    "before_pool",
    "folds",
    "is_causal",
    "make_norm",
    "valid_frames",
]

# What can be trained. Which architecture has which is said by models/zoo.py.
NORMS = (
    "none",
    "layer",  # over the features of a frame
    "rms",  # the same without mean and bias
    "batch",  # running statistics of all valid frames, shared over time, inside a recurrence too
    "batch_naive",  # padding counted in: a control
    "batch_step",  # running statistics of each step, in a recurrence
    "batch_ffn",  # as "batch", and one more between the two linear maps of every feed-forward network
    "instance",  # each feature over the whole of a sequence: a control, it sees the future
    "group",  # each group of features over the whole of a sequence: a control likewise
    "group_step",  # each group of features of a frame
    "dyt",  # tanh in place of a normaliser
)
# What weights trained with another normaliser can be served with, and that other one.
SERVED_AS = {"batch_current": "batch"}  # statistics of the batch at hand: a control
_NOT_CAUSAL = frozenset({"instance", "group", "batch_current"})
_FOLDING = frozenset({"batch", "batch_naive", "batch_ffn"})


@dataclass(frozen=True, kw_only=True)
class NormPair:
    """A normaliser and the nn.Linear that its affine eval form folds into, both by module path.

    `side` "before": x → linear → norm, hence W' = diag(s)·W and b' = s·b + t (W is [out, in]).
    `side` "after": x → norm → linear and nowhere else, hence W' = W·diag(s) and b' = b + W·t.
    s and t come from `BatchNorm.affine()`. The linear has a bias. Once folded, put `NoNorm()` in the norm's place.
    """

    norm: str
    linear: str
    side: Literal["before", "after"]


_OfFrame = LayerNorm | RMSNorm | GroupStepNorm | DyT
Trained = _OfFrame | BatchNorm | CurrentBatchNorm | StepBatchNorm | InstanceNorm | GroupNorm  # those with weights
Norm = NoNorm | Trained

_KINDS: dict[str, type[_OfFrame | CurrentBatchNorm | InstanceNorm | GroupNorm]] = {
    norm.kind: norm for norm in (LayerNorm, RMSNorm, GroupStepNorm, DyT, CurrentBatchNorm, InstanceNorm, GroupNorm)
}


def make_norm(kind: str, features: int, *, gain: float = 1.0, steps: int = 1) -> Norm:
    """Return a fresh normaliser over `features`.

    `gain` is its first scale, `steps` how many time steps have statistics of their own ("batch_step"). Raises
    ValueError for an unknown kind, and for features that make no groups.
    """
    match kind:
        case "none":
            return NoNorm()
        case "batch" | "batch_naive" | "batch_ffn":
            return BatchNorm(features, masked=kind != "batch_naive", gain=gain)
        case "batch_step":
            return StepBatchNorm(features, steps, gain=gain)
    if kind not in _KINDS:
        raise ValueError(f"unknown normaliser {kind!r}: one of {', '.join((*NORMS, *SERVED_AS))}")
    return _KINDS[kind](features, gain)


def is_causal(kind: str) -> bool:
    """Return whether a frame's answer is independent of later frames, so that a stream can have it."""
    return kind not in _NOT_CAUSAL


def before_pool(kind: str) -> str:
    """Return what stands between a body and the mean over time: each feature's mean over time would be a constant."""
    return "none" if kind == "instance" else kind


def folds(kind: str) -> bool:
    """Return whether a normaliser is, in eval mode, one affine map that a linear map can take in."""
    return kind in _FOLDING
