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

from models.config import TransformerConfig
from models.rows import take


class Tiling:
    """Where the frames of a chunk lie in tiles; the same for every layer. Holds row numbers for models/rows.py.

    A buffer begins with the cache: its row W + j holds absolute position base + j, base = (position // Q) * Q. It is
    never made: rows are taken from where they are, cache or new frames. The cache's last row is always zero, since the
    tile that a stream is in is never full; it stands for every row that holds no frame.

    Only tiles that hold a frame are there: among sequences of different lengths, padding takes no attention. Rows of
    numbers are short, and a graph's time goes by operators, so there are as few of them as may be.
    """

    def __init__(self, position_B: Tensor, length_B: Tensor, frames: int, config: TransformerConfig) -> None:
        window, tile, heads = config.window, config.tile, config.heads
        cached = window + tile
        position_B11 = position_B[:, None, None]
        offset_B11 = position_B11 % tile
        end_B11 = offset_B11 + length_B[:, None, None]
        start_X = torch.arange(0, tile + frames, tile)  # where tiles of any row may begin
        exists_BX = start_X < end_B11[:, 0].clamp(min=1)
        b_N, x_N = torch.nonzero(exists_BX).unbind(1)
        torch._check(b_N.shape[0] >= 1)  # type: ignore[no-untyped-call]
        offset_N11, end_N11 = offset_B11.index_select(0, b_N), end_B11.index_select(0, b_N)
        start_N11, b_N11 = x_N[:, None, None] * tile, b_N[:, None, None]
        column_R, head_H1 = torch.arange(-window, tile), torch.arange(heads)[:, None]

        def source(row: Tensor, offset: Tensor, end: Tensor, batch: Tensor) -> Tensor:
            """Return the numbers of the cached and new rows that stand for rows of the buffer."""
            there = row + torch.where(row < offset, window, cached - offset)
            return torch.where(row < end, there, cached - 1) + batch * (cached + frames)

        self.key_NHR = source(start_N11 + column_R, offset_N11, end_N11, b_N11) * heads + head_H1
        offset_B1, end_B1, batch_B1 = offset_B11[:, 0], end_B11[:, 0], torch.arange(position_B.shape[0])[:, None]
        self.next_BS = source(end_B1 - end_B1 % tile + column_R, offset_B1, end_B1, batch_B1)
        # In a chunk's first tile queries begin where the chunk does; what runs over the tile's end is never read.
        queries = torch.sym_min(tile, frames + 1)  # type: ignore[no-untyped-call]
        place_N1M = (torch.where(start_N11 == 0, offset_N11, 0) + torch.arange(queries)).clamp(max=tile - 1)
        frame_N1M = (start_N11 - offset_N11 + place_N1M).clamp(0, frames - 1)
        self.query_NHM = (b_N11 * frames + frame_N1M) * heads + head_H1
        age_N11 = ((position_B11 - offset_B11).index_select(0, b_N) + start_N11).clamp(max=window)
        self.bias_NHM = age_N11 * heads + head_H1 * tile + place_N1M
        # Tiles of one row stand behind those of the row before.
        tiles_B1 = exists_BX.sum(1, keepdim=True)
        at_BT = offset_B1 + torch.arange(frames)
        in_tile_BT = at_BT % tile
        tile_BT = torch.minimum((at_BT - in_tile_BT) // tile, tiles_B1 - 1) + (tiles_B1.cumsum(0) - tiles_B1)
        in_tile_BT1 = (in_tile_BT - torch.where(at_BT < tile, offset_B1, 0))[:, :, None]
        self.answer_BTH = (tile_BT[:, :, None] * heads + torch.arange(heads)) * queries + in_tile_BT1


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
