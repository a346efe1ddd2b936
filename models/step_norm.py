"""The use of a normaliser step by step, as inside a recurrence.

Shape suffixes: B batch, T time, S steps, G features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.batch_norm import CurrentBatchNorm
from models.moments import MIN_ROWS, frame_moments
from models.norm import BatchNorm, Norm, StepBatchNorm


class StepNorm:
    """A normaliser applied step by step, from the first frame on where it is being trained.

    In training every step is normalised with the moments of its own rows (Cooijmans et al. 2016, section 3), whether
    it will be served with statistics of each step or with shared ones: the weights come out the same.
    """

    def __init__(self, norm: Norm) -> None:
        self._norm = norm
        self._step = 0
        self._counts: list[Tensor] = []
        self._means: list[Tensor] = []
        self._variances: list[Tensor] = []

    @property
    def reads_valid(self) -> bool:
        """Return whether it matters in eval mode which rows are valid: only where the moments are the batch's own."""
        return isinstance(self._norm, CurrentBatchNorm)

    def __call__(self, x_BG: Tensor, valid_B1: Tensor, step_B: Tensor | None = None) -> Tensor:
        """Normalise one step: [B, G]. `step_B` is read by statistics of each step, in eval mode."""
        norm = self._norm
        if norm.training and isinstance(norm, BatchNorm | StepBatchNorm):
            return self._trained(norm, x_BG, norm.counted(valid_B1)[:, 0])
        if isinstance(norm, CurrentBatchNorm):
            y_B1G: Tensor = norm(x_BG[:, None], valid_B1)
            return y_B1G[:, 0]
        y_BG: Tensor = norm(x_BG, valid_B1) if step_B is None else norm(x_BG, valid_B1, step_B)
        return y_BG

    def _trained(self, norm: BatchNorm | StepBatchNorm, x_BG: Tensor, counted_B: Tensor) -> Tensor:
        step, self._step = self._step, self._step + 1
        if int(counted_B.sum()) < MIN_ROWS:
            return norm.normalise(x_BG, *norm.running(step))
        mean_G, var_G = frame_moments(x_BG, counted_B)
        if isinstance(norm, StepBatchNorm):
            mean_G, var_G = norm.blended(step, mean_G, var_G, int(counted_B.sum()))
        self._counts.append(counted_B.sum())
        self._means.append(mean_G.detach())
        self._variances.append(var_G.detach())
        return norm.normalise(x_BG, mean_G, var_G)

    def finish(self) -> None:
        """Update the running moments once: each step's own, or those of all steps together."""
        if not self._counts:
            return
        if isinstance(self._norm, StepBatchNorm):
            self._norm.update(self._means, self._variances)
        elif isinstance(self._norm, BatchNorm):
            self._norm.update(*self._pooled())

    def _pooled(self) -> tuple[Tensor, Tensor]:
        """Return the moments of all steps together (law of total variance)."""
        share_S1 = torch.stack(self._counts).to(torch.float32)[:, None]
        share_S1 = share_S1 / share_S1.sum()
        means_SG = torch.stack(self._means)
        mean_G = (share_S1 * means_SG).sum(dim=0)
        return mean_G, (share_S1 * (torch.stack(self._variances) + (means_SG - mean_G).square())).sum(dim=0)


def over_time(norm: Norm, x_BTG: Tensor, valid_BT: Tensor, step_BT: Tensor | None) -> Tensor:
    """Normalise every step of what is known in advance: [B, T, G]."""
    if not isinstance(norm, StepBatchNorm) or not norm.training:
        y_BTG: Tensor = norm(x_BTG, valid_BT) if step_BT is None else norm(x_BTG, valid_BT, step_BT)
        return y_BTG
    steps = StepNorm(norm)
    y_BTG = torch.stack([steps(x_BTG[:, t], valid_BT[:, t, None]) for t in range(x_BTG.shape[1])], dim=1)
    steps.finish()
    return y_BTG
