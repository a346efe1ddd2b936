"""The zoo's normalisers as PyTorch's own layers.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.norm import BatchNorm, LayerNorm, Norm, RMSNorm


class FrameNorm(nn.Module):
    """A normaliser of [B, T, C]; nn.BatchNorm1d wants [B, C, T], so it stands between two transpositions."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.norm = usual(norm)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return [B, T, C]."""
        y: Tensor
        if isinstance(self.norm, nn.BatchNorm1d):
            y = self.norm(x_BTC.transpose(1, 2)).transpose(1, 2)
        else:
            y = self.norm(x_BTC)
        return y


def usual(norm: Norm) -> nn.Module:
    """Return PyTorch's layer with the weights of ours."""
    if isinstance(norm, BatchNorm):
        layer = nn.BatchNorm1d(len(norm.weight), eps=norm.eps)
        layer.load_state_dict(norm.state_dict(), strict=False)
        return layer
    if isinstance(norm, LayerNorm):
        plain: nn.Module = nn.LayerNorm(norm.normalized_shape, eps=norm.eps)
    elif isinstance(norm, RMSNorm):
        plain = nn.RMSNorm(norm.normalized_shape, eps=norm.eps)
    else:
        return nn.Identity()
    plain.load_state_dict(norm.state_dict())
    return plain
