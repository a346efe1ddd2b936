"""The two-layer network that stands in every layer of a Transformer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.norm import Norm, NormPair, make_norm

_EXPANSION = 2


class FeedForward(nn.Module):
    """Linear, GELU, linear.

    With `norm="batch_ffn"` a BatchNorm stands between the two linear maps (Yao et al. 2021, FFN-BN). The paper says no
    more than that; here it stands in front of the activation, as BatchNorm does elsewhere (Ioffe & Szegedy 2015), so
    it folds into the first linear map.
    """

    def __init__(self, width: int, dropout: float, norm: str) -> None:
        super().__init__()
        inner = "batch" if norm == "batch_ffn" else "none"
        self.norm: Norm = make_norm(inner, _EXPANSION * width)
        self.up = nn.Linear(width, _EXPANSION * width)
        self.down = nn.Linear(_EXPANSION * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTE: Tensor, valid_BT: Tensor) -> Tensor:
        """Return [B, T, E]."""
        y_BTE: Tensor = self.down(self.dropout(functional.gelu(self.norm(self.up(x_BTE), valid_BT))))
        return y_BTE


def inner_pair(path: str) -> NormPair:
    """Return the BatchNorm between the linear maps of the network at a module path, with the one in front of it."""
    return NormPair(norm=f"{path}.norm", linear=f"{path}.up", side="before")
