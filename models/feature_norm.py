"""The normalisers that look at one frame by itself, so that nothing around it matters: they stream exactly.

Shape suffixes: B batch, T time, C features, G groups. Leading axes may be any.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.moments import EPS

GROUPS = 4  # in an LSTM's gates, one group is one gate


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
        """Normalise each frame by itself."""
        return super().forward(x_BTC)


class RMSNorm(nn.RMSNorm):
    """Root-mean-square normalisation over the features of one frame (Zhang & Sennrich 2019)."""

    kind = "rms"

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__(features, eps=EPS)
        nn.init.constant_(self.weight, gain)

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Normalise each frame by itself."""
        return super().forward(x_BTC)


class GroupStepNorm(nn.Module):
    """Group normalisation (Wu & He 2018) with the moments of one frame: one LayerNorm a group of features.

    Gain and bias differ by feature, so they stand behind the one LayerNormalization node. ONNX's GroupNormalization
    would be one node for all of it, but its sums depend on where a row lies in memory.
    """

    kind = "group_step"
    unit: Tensor

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__()
        self.width = group_width(features)
        self.eps = EPS
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("unit", torch.ones(self.width), persistent=False)

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Normalise each group of each frame by itself."""
        x_BTGc = x_BTC.reshape(*x_BTC.shape[:-1], GROUPS, self.width)
        y_BTC = nn.functional.layer_norm(x_BTGc, (self.width,), self.unit, None, self.eps).flatten(-2)
        return y_BTC * self.weight + self.bias


class DyT(nn.Module):
    """Dynamic tanh, weight * tanh(alpha * x) + bias: no moments at all (Zhu et al. 2025)."""

    kind = "dyt"

    def __init__(self, features: int, gain: float = 1.0, alpha: float = 0.5) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor([alpha]))
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Squash each number by itself."""
        return torch.tanh(self.alpha * x_BTC) * self.weight + self.bias


def group_width(features: int) -> int:
    """Return the features of one group. Raises ValueError when they cannot be divided."""
    if features % GROUPS:
        raise ValueError(f"{features} features make no {GROUPS} groups")
    return features // GROUPS
