"""Owns the two-layer network that stands in every layer of a Transformer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

_EXPANSION = 2


class FeedForward(nn.Module):
    """Linear, GELU, linear; each frame by itself."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(width, _EXPANSION * width)
        self.down = nn.Linear(_EXPANSION * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Return [B, T, E]."""
        y_BTE: Tensor = self.down(self.dropout(functional.gelu(self.up(x_BTE))))
        return y_BTE
