"""Causal attention over a sliding window in tiles aligned to absolute positions, so that no cut changes a bit.

Shape suffixes: B batch, T time, E model width, H heads, d head width, W window, Q tile, R = W + Q keys a tile of
queries looks at, S rows of the cache = R, X places where a tile may begin, N tiles of all rows, M queries a tile,
L cached and new rows = S + T, A ages of a tile.

A sum keeps its bits only if it runs over the same terms in the same order. So keys are handled in tiles of Q frames
that begin at multiples of Q in the whole sequence, wherever a chunk begins, and every query sees the R keys of its own
tile and the W frames before: scores have as many columns, whatever the chunk. Bias depends on the distance only.
A query is a row of its product and keeps its bits beside any others, but there are never fewer than two: one row alone
would be multiplied by another kernel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import TransformerConfig
from models.rows import take


class Tiling:
    """Where the frames of a chunk lie in tiles; the same for every layer. Holds row numbers for models/rows.py.

    A row's table is its cache and its new frames: row S + t is the chunk's frame t, and the cache ends with the frame
    before. Whatever a query doesn't see only has to be finite: before the sequence the cache is zero, and behind the
    last frame that frame stands for all that are still to come.

    Only tiles that hold a frame are there: among sequences of different lengths, padding takes no attention. Numbers of
    rows are few, and take as long as the graph has operators for them, so those are as few as may be.
    """

    def __init__(self, position_B: Tensor, length_B: Tensor, frames: int, config: TransformerConfig) -> None:
        window, tile, heads = config.window, config.tile, config.heads
        cached = window + tile
        head_H1, frame_T = torch.arange(heads)[:, None], torch.arange(frames)
        batch_B1, position_B1, length_B1 = (
            torch.arange(position_B.shape[0])[:, None],
            position_B[:, None],
            length_B[:, None],
        )
        offset_B1, last_B1 = position_B1 % tile, length_B1.clamp(min=1) - 1
        # Tiles begin at multiples of their size, so the first one may begin before the chunk.
        exists_BX = torch.arange(0, tile + frames, tile) <= offset_B1 + last_B1
        pair_N2 = torch.nonzero(exists_BX)
        torch._check(pair_N2.shape[0] >= 1)  # type: ignore[no-untyped-call]
        b_N1 = pair_N2[:, :1]
        b_N11 = b_N1[:, :, None]

        def of_tiles(number_B1: Tensor) -> Tensor:
            return functional.embedding(b_N1, number_B1)

        first_N11 = pair_N2[:, 1:, None] * tile - of_tiles(offset_B1)  # the frame that its tile begins with
        frame_N1R = torch.minimum(first_N11 + torch.arange(-window, tile), of_tiles(last_B1))
        row_N1R = frame_N1R + (b_N11 * (cached + frames) + cached)
        self.key_NHR = row_N1R * heads + head_H1
        self.next_BS = batch_B1 * (cached + frames) + length_B1 + torch.arange(cached)
        # In a chunk's first tile queries begin where the chunk does; what runs over the tile's end is never read.
        queries = torch.sym_min(tile, frames + 1)  # type: ignore[no-untyped-call]
        place_N1M = ((-first_N11).clamp(min=0) + torch.arange(queries)).clamp(max=tile - 1)
        frame_N1M = (first_N11 + place_N1M).clamp(max=frames - 1)
        self.query_NHM = (b_N11 * frames + frame_N1M) * heads + head_H1
        age_N11 = (of_tiles(position_B1) + first_N11).clamp(max=window)
        self.bias_NHM = age_N11 * heads + head_H1 * tile + place_N1M
        # Tiles of one row stand behind those of the row before.
        tiles_B1 = exists_BX.sum(1, keepdim=True)
        read_BT = torch.minimum(frame_T, last_B1)
        at_BT = offset_B1 + read_BT
        in_tile_BT = at_BT % tile
        tile_BT = torch.div(at_BT - in_tile_BT, tile, rounding_mode="floor") + (tiles_B1.cumsum(0) - tiles_B1)
        place_BT1 = torch.minimum(read_BT, in_tile_BT)[:, :, None]
        self.answer_BTH = (tile_BT[:, :, None] * heads + torch.arange(heads)) * queries + place_BT1


class TiledAttention(nn.Module):
    """Multi-head attention with a learned bias for each head and distance (Raffel et al. 2020, without buckets)."""

    seen: Tensor
    distance: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.width = config.heads, config.width
        self.project = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.bias = nn.Parameter(torch.zeros(config.heads, config.window))
        column_R = torch.arange(config.window + config.tile)
        distance_QR = torch.arange(config.tile)[:, None] + config.window - column_R
        # The first tiles of a sequence see less of the window.
        age_A = torch.arange(config.window // config.tile + 1)
        exists_AR = column_R >= config.window - age_A[:, None] * config.tile
        visible_QR = (distance_QR >= 0) & (distance_QR < config.window)
        self.register_buffer("seen", visible_QR & exists_AR[:, None], persistent=False)
        self.register_buffer("distance", distance_QR.clamp(0, config.window - 1), persistent=False)

    def forward(
        self, x_BTE: Tensor, tiling: Tiling, cache: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return [B, T, E] and the next keys and values."""
        q_BTE, k_BTE, v_BTE = self.project(x_BTE).chunk(3, dim=2)
        keys_BLE, values_BLE = torch.cat([cache[0], k_BTE], dim=1), torch.cat([cache[1], v_BTE], dim=1)
        y_NHMd = self._attend(q_BTE, keys_BLE, values_BLE, tiling)
        y_BTHd = take(y_NHMd, tiling.answer_BTH, self.width // self.heads)
        following = (take(keys_BLE, tiling.next_BS, self.width), take(values_BLE, tiling.next_BS, self.width))
        return self.out(y_BTHd.flatten(2)), following

    def _attend(self, q_BTE: Tensor, keys_BLE: Tensor, values_BLE: Tensor, tiling: Tiling) -> Tensor:
        head = self.width // self.heads
        q_NHMd = take(q_BTE, tiling.query_NHM, head)
        k_NHRd = take(keys_BLE, tiling.key_NHR, head)
        v_NHRd = take(values_BLE, tiling.key_NHR, head)
        bias_AHQR = torch.where(self.seen[:, None], self.bias[:, self.distance], -math.inf)
        bias_NHMR = take(bias_AHQR, tiling.bias_NHM, bias_AHQR.shape[3])
        scores = q_NHMd @ k_NHRd.transpose(2, 3) / math.sqrt(head) + bias_NHMR
        return torch.softmax(scores, dim=-1) @ v_NHRd
