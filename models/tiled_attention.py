"""Causal attention over a sliding window in tiles aligned to absolute positions, so that no cut changes a bit.

Shape suffixes: B batch, T time, E model width, H heads, d head width, W window, Q tile, R = W + Q keys a tile of
queries looks at, S rows of the cache = R, N tiles, M queries a tile, L cached and new rows = S + T, A ages of a tile.

A sum keeps its bits only if it runs over the same terms in the same order. So keys are handled in tiles of Q frames
that begin at multiples of Q in the whole sequence, wherever a chunk begins, and every query sees the R keys of its own
tile and the W frames before: scores have as many columns, whatever the chunk. Bias depends on the distance only.
A query is a row of its product and keeps its bits beside any others, but there are never fewer than two: one row alone
would be multiplied by another kernel.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from models.config import TransformerConfig
from models.rows import take


class Tiling:
    """Where the frames of a chunk lie in tiles; the same for every layer. Holds row numbers for models/rows.py.

    A buffer whose row j holds absolute position base + j, base = (position // Q) * Q - W, begins with the cache. It is
    never made: rows are taken from where they are, cache or new frames. The cache's last row is always zero, since the
    tile that a stream is in is never full; it stands for every row that holds no frame.
    """

    def __init__(self, position_B: Tensor, length_B: Tensor, frames: int, config: TransformerConfig) -> None:
        window, tile, heads = config.window, config.tile, config.heads
        cached = window + tile
        batch_B1, head_H1 = torch.arange(position_B.shape[0])[:, None], torch.arange(heads)[:, None]
        offset_B1 = (position_B % tile)[:, None]
        end_B1 = offset_B1 + length_B[:, None]
        last = cast("int", end_B1.max().item())  # int() of it would ask the exporter for its value
        torch._check(last >= 1)  # type: ignore[no-untyped-call]
        tiles = (last + tile - 1) // tile  # as many as the longest row needs
        queries = torch.sym_min(tile, frames + 1)  # type: ignore[no-untyped-call]
        tile_N = torch.arange(tiles)
        first_B1 = window + offset_B1

        def source(row_BX: Tensor) -> Tensor:
            """Return the numbers of the cached and new rows that stand for rows of the buffer."""
            new_BX = torch.where(row_BX < window + end_B1, row_BX - first_B1 + cached, cached - 1)
            return torch.where(row_BX < first_B1, row_BX, new_BX) + batch_B1 * (cached + frames)

        row_NR = tile_N[:, None] * tile + torch.arange(cached)
        key_BNR = source(row_NR.reshape(1, -1)).reshape(-1, tiles, cached)
        self.key_BNHR = key_BNR[:, :, None] * heads + head_H1
        self.next_BS = source(end_B1 - end_B1 % tile + torch.arange(cached))
        # In a chunk's first tile queries begin where the chunk does; what runs over the tile's end is never read.
        begin_BN = torch.where(tile_N == 0, offset_B1, 0)
        place_BNM = (begin_BN[:, :, None] + torch.arange(queries)).clamp(max=tile - 1)
        frame_BNM = (tile_N[:, None] * tile + place_BNM - offset_B1[:, :, None]).clamp(0, frames - 1)
        self.query_BNHM = (batch_B1[:, :, None] * frames + frame_BNM)[:, :, None] * heads + head_H1
        age_BN = (position_B[:, None] - offset_B1 + tile_N * tile).clamp(max=window)
        self.bias_BNHM = age_BN[:, :, None, None] * heads + head_H1 * tile + place_BNM[:, :, None]
        at_BT = offset_B1 + torch.arange(frames)
        in_tile_BT = at_BT % tile - torch.where(at_BT < tile, offset_B1, 0)
        tile_BT = batch_B1 * tiles + (at_BT // tile).clamp(max=tiles - 1)
        self.answer_BTH = (tile_BT[:, :, None] * heads + torch.arange(heads)) * queries + in_tile_BT[:, :, None]


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
        y_BNHMd = self._attend(q_BTE, keys_BLE, values_BLE, tiling)
        y_BTHd = take(y_BNHMd, tiling.answer_BTH, self.width // self.heads)
        following = (take(keys_BLE, tiling.next_BS, self.width), take(values_BLE, tiling.next_BS, self.width))
        return self.out(y_BTHd.flatten(2)), following

    def _attend(self, q_BTE: Tensor, keys_BLE: Tensor, values_BLE: Tensor, tiling: Tiling) -> Tensor:
        head = self.width // self.heads
        q_BNHMd = take(q_BTE, tiling.query_BNHM, head)
        k_BNHRd = take(keys_BLE, tiling.key_BNHR, head)
        v_BNHRd = take(values_BLE, tiling.key_BNHR, head)
        bias_AHQR = torch.where(self.seen[:, None], self.bias[:, self.distance], -math.inf)
        bias_BNHMR = take(bias_AHQR, tiling.bias_BNHM, bias_AHQR.shape[3])
        scores = q_BNHMd @ k_BNHRd.transpose(3, 4) / math.sqrt(head) + bias_BNHMR
        return torch.softmax(scores, dim=-1) @ v_BNHRd
