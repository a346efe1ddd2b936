"""Recurrent batch normalisation with statistics of their own for every time step (Cooijmans et al. 2016).

Shape suffixes: B batch, T time, C features, S steps that have statistics.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.moments import EPS


class StepBatchNorm(nn.Module):
    """BatchNorm with statistics for each of the first `steps` frames of a sequence; gain and bias are shared.

    `running_mean`, `running_var` are [steps, C], of which the first `known` are set: no step is until MIN_ROWS rows
    reached it. Any later step, and any beyond `steps`, uses those of the last known one. In training it is called step
    by step by models/step_norm.py, on sequences that begin at their first frame.
    """

    kind = "batch_step"
    running_mean: Tensor
    running_var: Tensor
    known: Tensor
    prior: float | None = None  # while it is recalibrated: the rows that stored moments count for

    def __init__(self, features: int, steps: int, *, gain: float = 1.0, momentum: float = 0.1) -> None:
        super().__init__()
        self.steps, self.momentum, self.eps = steps, momentum, EPS
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(steps, features))
        self.register_buffer("running_var", torch.ones(steps, features))
        self.register_buffer("known", torch.zeros((), dtype=torch.int64))

    def forward(self, x_BTC: Tensor, valid_BT: Tensor, step_BT: Tensor) -> Tensor:  # noqa: ARG002
        """Normalise in eval mode; `step_BT` int64 counts the frames of each sequence from 0. Any leading axes."""
        step_BT = step_BT.clamp(max=self.last)
        return self.normalise(x_BTC, self.running_mean[step_BT], self.running_var[step_BT])

    @property
    def last(self) -> int:
        """The last step with statistics of its own."""
        return max(int(self.known) - 1, 0)

    def counted(self, valid_BT: Tensor) -> Tensor:
        """Return the frames that enter the statistics: the valid ones."""
        return valid_BT

    def normalise(self, x_BTC: Tensor, mean_C: Tensor, var_C: Tensor) -> Tensor:
        """Apply given moments, then gain and bias."""
        return (x_BTC - mean_C) * (torch.rsqrt(var_C + self.eps) * self.weight) + self.bias

    def standardised_variance(self, lengths: Sequence[int]) -> Tensor:
        """Return the variance [C] of `standardising` over sequences of these lengths that have the stored moments.

        It is 1 but for eps, and but for features that don't vary at a step, as in a recurrence at the first one.
        """
        step = torch.cat([torch.arange(length) for length in lengths]).clamp(max=self.last)
        share_S = torch.bincount(step, minlength=self.last + 1).double() / len(step)
        var_SC = self.running_var[: self.last + 1].double()
        return share_S @ (var_SC / (var_SC + self.eps))

    def running(self, step: int) -> tuple[Tensor, Tensor]:
        """Return running mean and variance [C] at a step."""
        return self.running_mean[min(step, self.last)], self.running_var[min(step, self.last)]

    def blended(self, step: int, mean_C: Tensor, var_C: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        """Return the moments of that many rows at a step, blended with the stored ones while it is recalibrated."""
        if self.prior is None:
            return mean_C, var_C
        stored_mean_C, stored_var_C = self.running(step)
        share = rows / (rows + self.prior)
        return stored_mean_C.lerp(mean_C, share), stored_var_C.lerp(var_C, share)

    @torch.no_grad()
    def update(self, means: Sequence[Tensor], variances: Sequence[Tensor]) -> None:
        """Move the running moments towards those of the first steps of a batch, each [C]; new ones are taken over."""
        before = int(self.known)
        for step, (mean_C, var_C) in enumerate(zip(means, variances, strict=True)):
            if step < self.steps:
                share = self.momentum if step < before and self.prior is None else 1.0
                self.running_mean[step].lerp_(mean_C, share)
                self.running_var[step].lerp_(var_C, share)
        self.known.clamp_(min=min(len(means), self.steps))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return (s, t), each [S, C]: in eval mode this layer is s[step]·x + t[step]."""
        mean_SC, var_SC = self.running_mean[: self.last + 1], self.running_var[: self.last + 1]
        scale_SC = self.weight * torch.rsqrt(var_SC + self.eps)
        return scale_SC, self.bias - mean_SC * scale_SC

    def standardising(self) -> tuple[Tensor, Tensor]:
        """Return the same for what enters less the mean of its step, in deviations of its step."""
        scale_SC = torch.rsqrt(self.running_var[: self.last + 1] + self.eps)
        return scale_SC, -self.running_mean[: self.last + 1] * scale_SC


class StepAffine(nn.Module):
    """The eval form of a StepBatchNorm as two constant tables [S, C]: what is left to do is to look up and multiply."""

    kind = "batch_step"
    scale: Tensor
    shift: Tensor

    def __init__(self, scale_SC: Tensor, shift_SC: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale_SC)
        self.register_buffer("shift", shift_SC)

    def forward(self, x_BTC: Tensor, valid_BT: Tensor, step_BT: Tensor) -> Tensor:  # noqa: ARG002
        """Apply each frame's scale and shift; leading axes may be any."""
        step_BT = step_BT.clamp(max=len(self.scale) - 1)
        return x_BTC * functional.embedding(step_BT, self.scale) + functional.embedding(step_BT, self.shift)
