"""The normalisers that take their moments over the whole of a sequence: every frame sees the future.

Shape suffixes: B batch, T time, C features.

So they are controls: a model with one of them serves whole sequences only. But that is all that fails. Sums over time
run as a cumulative sum that is read at the last valid frame, sums over features as a product with a constant matrix, so
neither neighbours nor padding change a bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.feature_norm import GROUPS, group_width
from models.moments import EPS


class InstanceNorm(nn.Module):
    """Each feature of each sequence by its own mean and variance over time (Ulyanov et al. 2016)."""

    kind = "instance"

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__()
        self.eps = EPS
        self.weight = nn.Parameter(torch.full((features,), gain))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        """Normalise with the moments of each row's valid frames; there is one at least."""
        centred_BTC = x_BTC - self._pooled(over_time(x_BTC, valid_BT))[:, None]
        var_BC = self._pooled(over_time(centred_BTC.square(), valid_BT))
        return centred_BTC * (torch.rsqrt(var_BC + self.eps) * self.weight)[:, None] + self.bias

    def _pooled(self, mean_BC: Tensor) -> Tensor:
        return mean_BC


class GroupNorm(InstanceNorm):
    """Each group of features of each sequence by its mean and variance over group and time (Wu & He 2018)."""

    kind = "group"
    same: Tensor

    def __init__(self, features: int, gain: float = 1.0) -> None:
        super().__init__(features, gain)
        width = group_width(features)
        block = torch.full((width, width), 1 / width)
        self.register_buffer("same", torch.kron(torch.eye(GROUPS), block), persistent=False)

    def _pooled(self, mean_BC: Tensor) -> Tensor:
        """Put the mean over a group in each of its features' places."""
        return mean_BC @ self.same


def over_time(x_BTC: Tensor, valid_BT: Tensor) -> Tensor:
    """Return the mean over each row's valid frames [B, C]."""
    sums_BTC = torch.where(valid_BT[:, :, None], x_BTC, 0.0).cumsum(dim=1)
    length_B1 = valid_BT.sum(dim=1, keepdim=True)
    last_B1C = (length_B1 - 1)[:, :, None].expand(-1, -1, x_BTC.shape[2])
    return torch.gather(sums_BTC, 1, last_B1C)[:, 0] / length_B1.to(x_BTC.dtype)
