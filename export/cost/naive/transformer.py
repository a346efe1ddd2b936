"""The naive causal Transformer: scaled dot product attention, and a cache of keys and values that grows.

Shape suffixes: B batch, T time, P past frames, K = P + T keys, D input width, E model width, H heads, d head width.

The cache grows to the window and holds what is there, so a short sequence pays for short attention, and all rows of a
batch have as many frames behind them.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.cost.naive.norm import FrameNorm
from models.tiled_attention import TiledAttention
from models.transformer import Transformer, TransformerLayer

_Cache = tuple[Tensor, Tensor]


class _Attention(nn.Module):
    def __init__(self, attention: TiledAttention) -> None:
        super().__init__()
        self.project, self.out, self.bias = attention.project, attention.out, attention.bias
        self.heads, self.window = attention.heads, attention.bias.shape[1]

    def forward(self, x_BTE: Tensor, cache: _Cache) -> tuple[Tensor, _Cache]:
        q_BTE, k_BTE, v_BTE = self.project(x_BTE).chunk(3, dim=2)
        k_BKE, v_BKE = torch.cat([cache[0], k_BTE], dim=1), torch.cat([cache[1], v_BTE], dim=1)
        frames, keys = q_BTE.shape[1], k_BKE.shape[1]
        distance_TK = torch.arange(keys - frames, keys)[:, None] - torch.arange(keys)
        visible_TK = (distance_TK >= 0) & (distance_TK < self.window)
        mask_HTK = self.bias[:, distance_TK.clamp(0, self.window - 1)].masked_fill(~visible_TK, -torch.inf)
        y_BHTd = functional.scaled_dot_product_attention(
            self._by_head(q_BTE), self._by_head(k_BKE), self._by_head(v_BKE), attn_mask=mask_HTK[None]
        )
        y_BTE = self.out(y_BHTd.transpose(1, 2).flatten(2))
        first = torch.sym_max(keys - (self.window - 1), 0)  # type: ignore[no-untyped-call]
        return y_BTE, (k_BKE[:, first:], v_BKE[:, first:])

    def _by_head(self, x_BTE: Tensor) -> Tensor:
        x_BTHd: Tensor = x_BTE.unflatten(2, (self.heads, -1))  # type: ignore[no-untyped-call]
        return x_BTHd.transpose(1, 2)


class _Layer(nn.Module):
    def __init__(self, layer: TransformerLayer) -> None:
        super().__init__()
        self.pre, self.attention = layer.pre, _Attention(layer.attention)
        self.feed_forward = nn.Sequential(layer.feed_forward.up, nn.GELU(), layer.feed_forward.down)
        self.attention_norm = FrameNorm(layer.attention_norm)
        self.feed_forward_norm = FrameNorm(layer.feed_forward_norm)

    def forward(self, x_BTE: Tensor, cache: _Cache) -> tuple[Tensor, _Cache]:
        if self.pre:
            a_BTE, cache = self.attention(self.attention_norm(x_BTE), cache)
            x_BTE = x_BTE + a_BTE
            return x_BTE + self.feed_forward(self.feed_forward_norm(x_BTE)), cache
        a_BTE, cache = self.attention(x_BTE, cache)
        x_BTE = self.attention_norm(x_BTE + a_BTE)
        return self.feed_forward_norm(x_BTE + self.feed_forward(x_BTE)), cache


class NaiveTransformer(nn.Module):
    """The same function as a models.transformer.Transformer."""

    def __init__(self, body: Transformer) -> None:
        super().__init__()
        self.width, self.project, self.final_norm = body.width, body.project, FrameNorm(body.final_norm)
        self.layers = nn.ModuleList(_Layer(cast("TransformerLayer", layer)) for layer in body.layers)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Keys and values of no frames: [batch, 0, E]."""
        names = [f"layer.{i}.{kind}" for i in range(len(self.layers)) for kind in ("keys", "values")]
        return {name: torch.zeros(batch, 0, self.width) for name in names}

    def forward(self, x_BTD: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last layer's output at every frame [B, T, E], and the states after the last frame."""
        h_BTE = self.project(x_BTD)
        following = {}
        for i, layer in enumerate(self.layers):
            keys, values = f"layer.{i}.keys", f"layer.{i}.values"
            h_BTE, (following[keys], following[values]) = layer(h_BTE, (states[keys], states[values]))
        return self.final_norm(h_BTE), following
