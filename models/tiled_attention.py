"""Owns causal attention over a sliding window in tiles aligned to absolute positions, so that no cut changes a bit.

Shape suffixes: B batch, T time, E model width, H heads, W window, Q tile, R = W + Q rows a tile of queries looks at,
S rows of the cache = W + Q, N tiles, L rows of the buffer.

A sum keeps its bits only if it runs over the same terms in the same order. So queries are handled in tiles of Q frames
that begin at multiples of Q in the whole sequence, wherever a chunk begins, and every tile sees the same R rows: its
own and the W before. Scores have one shape, whatever the chunk. Bias depends on the distance only.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.config import TransformerConfig


class Tiling:
    """Where the frames of a chunk lie in tiles; the same for every layer.

    The buffer's row j holds absolute position base + j, base = (position // Q) * Q - W; the cache is its beginning.
    """

    def __init__(self, position_B: Tensor, length_B: Tensor, frames: int, window: int, tile: int) -> None:
        self.window, self.tile = window, tile
        cached = window + tile
        # enough for a chunk that begins at the last row of a tile
        self.tiles = (frames + 2 * tile - 2) // tile
        rows = self.tiles * tile + window
        offset_B1 = (position_B % tile)[:, None]
        j_L = torch.arange(rows)
        first_B1 = window + offset_B1
        old_BL = j_L < first_B1
        new_BL = (j_L >= first_B1) & (j_L < first_B1 + length_B[:, None])
        self.filled_BL = old_BL | new_BL
        self.source_BL = torch.where(old_BL, j_L, torch.where(new_BL, j_L - first_B1 + cached, 0)).clamp(
            0, cached + frames - 1
        )
        base_B1 = position_B[:, None] - offset_B1 - window
        self.exists_BL = base_B1 + j_L >= 0
        # tiles hold queries from buffer row W on; a chunk's frame t is there at row offset + t
        self.query_BT = offset_B1 + torch.arange(frames)
        shift_B1 = (offset_B1 + length_B[:, None]) // tile * tile
        self.next_BS = shift_B1 + torch.arange(cached)
        # beyond the buffer there is nothing yet
        self.next_filled_BS = self.next_BS < rows
        self.next_BS = self.next_BS.clamp(0, rows - 1)

    def buffer(self, cache_BSE: Tensor, new_BTE: Tensor) -> Tensor:
        """Lay cached and new rows out by absolute position [B, L, E]; rows that hold no frame are zero."""
        rows_BLE = _take(torch.cat([cache_BSE, new_BTE], dim=1), self.source_BL)
        return torch.where(self.filled_BL[:, :, None], rows_BLE, 0.0)

    def next_cache(self, buffer_BLE: Tensor) -> Tensor:
        """Return the rows that the next chunk may look at [B, S, E]."""
        return torch.where(self.next_filled_BS[:, :, None], _take(buffer_BLE, self.next_BS), 0.0)

    def blocks(self, buffer_BLX: Tensor) -> Tensor:
        """Return every tile's R rows: [B, N, R, X]."""
        width = buffer_BLX.shape[2]
        count = self.window // self.tile
        blocks = buffer_BLX.reshape(-1, self.tiles + count, self.tile, width)
        return torch.cat([blocks[:, k : k + self.tiles] for k in range(count + 1)], dim=2)


class TiledAttention(nn.Module):
    """Multi-head attention with a learned bias for each head and distance (Raffel et al. 2020, without buckets)."""

    visible: Tensor
    distance: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.width = config.heads, config.width
        self.project = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.bias = nn.Parameter(torch.zeros(config.heads, config.window))
        distance = torch.arange(config.tile)[:, None] + config.window - torch.arange(config.window + config.tile)
        self.register_buffer("visible", (distance >= 0) & (distance < config.window), persistent=False)
        self.register_buffer("distance", distance.clamp(0, config.window - 1), persistent=False)

    def forward(
        self, x_BTE: Tensor, tiling: Tiling, cache: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return [B, T, E] and the next keys and values."""
        q_BTE, k_BTE, v_BTE = self.project(x_BTE).chunk(3, dim=2)
        keys_BLE, values_BLE = tiling.buffer(cache[0], k_BTE), tiling.buffer(cache[1], v_BTE)
        queries_BLE = tiling.buffer(torch.zeros_like(cache[0]), q_BTE)[:, tiling.window :]
        y_BNQE = self._attend(queries_BLE, keys_BLE, values_BLE, tiling)
        y_BTE = _take(y_BNQE.reshape(-1, tiling.tiles * tiling.tile, self.width), tiling.query_BT)
        return self.out(y_BTE), (tiling.next_cache(keys_BLE), tiling.next_cache(values_BLE))

    def _attend(self, queries_BLE: Tensor, keys_BLE: Tensor, values_BLE: Tensor, tiling: Tiling) -> Tensor:
        head = self.width // self.heads
        q_BNHQd = queries_BLE.reshape(-1, tiling.tiles, tiling.tile, self.heads, head).transpose(2, 3)
        rows = tiling.window + tiling.tile
        k_BNHRd = tiling.blocks(keys_BLE).reshape(-1, tiling.tiles, rows, self.heads, head).transpose(2, 3)
        v_BNHRd = tiling.blocks(values_BLE).reshape(-1, tiling.tiles, rows, self.heads, head).transpose(2, 3)
        exists_BNR = tiling.blocks(tiling.exists_BL[:, :, None])[:, :, :, 0]
        scores = q_BNHQd @ k_BNHRd.transpose(3, 4) / math.sqrt(head) + self.bias[:, self.distance]
        seen = self.visible & exists_BNR[:, :, None, None, :]
        weights = torch.softmax(torch.where(seen, scores, -math.inf), dim=-1)
        return (weights @ v_BNHRd).transpose(2, 3).reshape(-1, tiling.tiles, tiling.tile, self.width)


def _take(x_BLE: Tensor, index_BM: Tensor) -> Tensor:
    return torch.gather(x_BLE, 1, index_BM[:, :, None].expand(-1, -1, x_BLE.shape[2]))
