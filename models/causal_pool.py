"""The streaming mean over time: at every frame, the mean of all frames so far.

Shape suffixes: B batch, T time, H features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.rows import take_frames


class CausalPool(nn.Module):
    """Running mean whose state is the running sum (float32) and the count of frames (int64).

    The carried sum is the first element of the cumulative sum, so additions happen in the same order however a stream
    is cut; a reduction over time would not keep the bits.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros: `sum` [batch, H] float32, `count` [batch, 1] int64: other servers keep no state without an axis."""
        return {"sum": torch.zeros(batch, self.width), "count": torch.zeros(batch, 1, dtype=torch.int64)}

    def forward(self, h_BTH: Tensor, length_B: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean so far at every frame [B, T, H], and the state after `length` frames."""
        frames = h_BTH.shape[1]
        sums_BTH = torch.cat([states["sum"][:, None], h_BTH], dim=1).cumsum(dim=1)[:, 1:]
        count_BT = states["count"] + torch.arange(1, frames + 1)
        mean_BTH = sums_BTH / count_BT[:, :, None].to(torch.float32)
        return mean_BTH, {"sum": frame_at(sums_BTH, length_B - 1), "count": states["count"] + length_B[:, None]}


def frame_at(x_BTH: Tensor, index_B: Tensor) -> Tensor:
    """Return row b's frame `index_B[b]`: [B, H]."""
    return take_frames(x_BTH, index_B[:, None])[:, 0]
