"""Picking rows out of a table by number: one Gather in a graph, which copies whole rows.

torch.gather would become GatherElements, which looks every number of a row up by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def take(table_X: Tensor, rows: Tensor, width: int) -> Tensor:
    """Return row after row of `table_X`, read as rows of `width` numbers: [*rows.shape, width]."""
    return functional.embedding(rows, table_X.reshape(-1, width))


def take_frames(x_BTC: Tensor, index_BM: Tensor) -> Tensor:
    """Return row b's frames `index_BM[b]`: [B, M, C]."""
    first_B1 = torch.arange(x_BTC.shape[0])[:, None] * x_BTC.shape[1]
    return take(x_BTC, first_B1 + index_BM, x_BTC.shape[2])
