"""Mean and variance over frames that come batch by batch, merged exactly (Chan et al. 1979) in float64.

Shape suffixes: N counted frames, C features.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Mean and population variance over frames that come batch by batch, in float64."""

    def __init__(self, features: int) -> None:
        self.frames = 0
        self.mean_C = torch.zeros(features, dtype=torch.float64)
        self.squares_C = torch.zeros(features, dtype=torch.float64)

    def add(self, x_NC: Tensor) -> None:
        """Merge in the moments of more frames."""
        x_NC = x_NC.to(torch.float64)
        added, mean_C = len(x_NC), x_NC.mean(dim=0)
        total, difference_C = self.frames + added, mean_C - self.mean_C
        self.squares_C += (x_NC - mean_C).square().sum(dim=0) + difference_C.square() * (self.frames * added / total)
        self.mean_C += difference_C * (added / total)
        self.frames = total

    def variance(self) -> Tensor:
        """Return the population variance [C]."""
        return self.squares_C / self.frames
