"""Owns the normalisers, by name, and what of them folds into a neighbouring linear map.

Shape suffixes: B batch, T time, C features.

A normaliser is called as `norm(x_BTC, valid_BT)`; `valid_BT` says which frames are no padding. Only BatchNorm looks at
it. LayerNorm and RMSNorm stay one ONNX node each from opset 23 on, which the promise of equal bits needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

EPS = 1e-5
NORMS = ("none", "layer", "rms", "batch", "batch_naive")


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


class NoNorm(nn.Module):
    """The identity, for `norm="none"` and for whatever was folded away."""

    kind = "none"

    def forward(self, x_BTC: Tensor, valid_BT: Tensor) -> Tensor:  # noqa: ARG002
        """Return `x_BTC` itself."""
        return x_BTC


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the features of one frame (Ba et al. 2016)."""

    kind = "layer"

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__(features, eps=EPS)
        nn.init.constant_(self.weight, gain)

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Normalise each frame by itself; leading axes may be any."""
        return super().forward(x_BTC)


class RMSNorm(nn.RMSNorm):
    """Root-mean-square normalisation over the features of one frame (Zhang & Sennrich 2019)."""

    kind = "rms"

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__(features, eps=EPS)
        nn.init.constant_(self.weight, gain)

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Normalise each frame by itself; leading axes may be any."""
        return super().forward(x_BTC)


class BatchNorm(nn.Module):
    """Batch normalisation over all frames of a batch (Ioffe & Szegedy 2015).

    Masked, padded frames never enter the statistics. Naive (`masked=False`), they do: the mistake people make, kept as
    a control. `running_mean`, `running_var` [C]: moving averages in training, read in eval mode; variances are
    population variances.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, *, masked: bool = True, gain: float = 1.0, momentum: float = 0.1) -> None:
        super().__init__()
        self.kind = "batch" if masked else "batch_naive"
        self.masked, self.momentum, self.eps = masked, momentum, EPS
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        """Normalise with this batch's statistics in training, with the running ones in eval mode."""
        if not self.training:
            scale_C, shift_C = self.affine()
            return x_BTC * scale_C + shift_C
        mean_C, var_C = frame_moments(x_BTC, self.counted(valid_BT))
        self.update(mean_C, var_C)
        return self.normalise(x_BTC, mean_C, var_C)

    def counted(self, valid_BT: Tensor) -> Tensor:
        """Return the frames that enter the statistics: bool, shaped as `valid_BT`."""
        return valid_BT if self.masked else torch.ones_like(valid_BT)

    def normalise(self, x_BTC: Tensor, mean_C: Tensor, var_C: Tensor) -> Tensor:
        """Apply given moments, then gain and bias."""
        return (x_BTC - mean_C) * (torch.rsqrt(var_C + self.eps) * self.weight) + self.bias

    def update(self, mean_C: Tensor, var_C: Tensor) -> None:
        """Move the running moments towards those of a batch."""
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, self.momentum)
            self.running_var.lerp_(var_C, self.momentum)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return (s, t), each [C]: in eval mode this layer is s·x + t."""
        scale_C = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale_C, self.bias - self.running_mean * scale_C


Norm = NoNorm | LayerNorm | RMSNorm | BatchNorm


def make_norm(kind: str, features: int, *, gain: float = 1.0) -> Norm:
    """Return a fresh normaliser over `features`; `gain` is its first scale. Raises ValueError for an unknown kind."""
    match kind:
        case "none":
            return NoNorm()
        case "layer":
            return LayerNorm(features, gain)
        case "rms":
            return RMSNorm(features, gain)
        case "batch" | "batch_naive":
            return BatchNorm(features, masked=kind == "batch", gain=gain)
    raise ValueError(f"unknown normaliser {kind!r}: one of {', '.join(NORMS)}")


def valid_frames(length_B: Tensor, frames: int) -> Tensor:
    """Return [B, T] bool: True for the first `length` of `frames` frames."""
    return torch.arange(frames, device=length_B.device) < length_B[:, None]


def frame_moments(x_BTC: Tensor, counted_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance [C] over the frames that `counted_BT` marks, in two passes."""
    x_NC = x_BTC[counted_BT]
    mean_C = x_NC.mean(dim=0)
    return mean_C, (x_NC - mean_C).square().mean(dim=0)
