"""Batch normalisation with one set of statistics, shared over time: running ones, and, as a control, current ones.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.moments import EPS, frame_moments, masked_moments


class BatchNorm(nn.Module):
    """Batch normalisation over all frames of a batch (Ioffe & Szegedy 2015).

    Masked, padded frames never enter the statistics. Naive (`masked=False`), they do: the mistake people make, kept as
    a control. `running_mean`, `running_var` [C]: moving averages in training, read in eval mode; variances are
    population variances. They are shared over time, inside a recurrence too.
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

    def running(self, step: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002  # as StepBatchNorm.running
        """Return running mean and variance, the same at every step."""
        return self.running_mean, self.running_var

    def update(self, mean_C: Tensor, var_C: Tensor) -> None:
        """Move the running moments towards those of a batch."""
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, self.momentum)
            self.running_var.lerp_(var_C, self.momentum)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return (s, t), each [C]: in eval mode this layer is s·x + t."""
        scale_C = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale_C, self.bias - self.running_mean * scale_C


class CurrentBatchNorm(nn.Module):
    """A trained BatchNorm served with the statistics of the batch at hand: all valid frames of all rows of a call.

    A control: an answer depends on its neighbours, a frame alone gives the bias whatever it holds, and inside a
    recurrence, where the moments are those of one step, so does a sequence alone. It takes the weights of a BatchNorm.
    """

    kind = "batch_current"

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__()
        self.eps = EPS
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features))
        # Not read; they are among the weights of the BatchNorm.
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        """Normalise with the moments of the valid frames."""
        mean_C, var_C = masked_moments(x_BTC, valid_BT)
        return (x_BTC - mean_C) * (torch.rsqrt(var_C + self.eps) * self.weight) + self.bias
