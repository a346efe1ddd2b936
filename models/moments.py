"""Which frames of a padded batch count, and mean and variance over those that do.

Shape suffixes: B batch, T time, N counted frames, C features.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-5  # added to every variance
# Fewer rows than this say too little about a batch: at such a step of a recurrence no moments are taken.
MIN_ROWS = 8


def valid_frames(length_B: Tensor, frames: int) -> Tensor:
    """Return [B, T] bool: True for the first `length` of `frames` frames."""
    return torch.arange(frames, device=length_B.device) < length_B[:, None]


def frame_moments(x_BTC: Tensor, counted_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance [C] over the frames that `counted_BT` marks, in two passes."""
    x_NC = x_BTC[counted_BT]
    mean_C = x_NC.mean(dim=0)
    return mean_C, (x_NC - mean_C).square().mean(dim=0)


def masked_moments(x_BTC: Tensor, counted_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `frame_moments` does, in operators that ONNX has; without any counted frame, zeros."""
    counted_BT1 = counted_BT[:, :, None]
    frames = counted_BT.sum().clamp(min=1).to(x_BTC.dtype)
    mean_C = torch.where(counted_BT1, x_BTC, 0.0).sum(dim=(0, 1)) / frames
    var_C = torch.where(counted_BT1, x_BTC - mean_C, 0.0).square().sum(dim=(0, 1)) / frames
    return mean_C, var_C
