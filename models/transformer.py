"""The causal Transformer (Vaswani et al. 2017) with a sliding window and a bounded cache of keys and values.

Shape suffixes: B batch, T time, D input width, E model width.

Positions are relative (models/tiled_attention.py), so a stream has no maximum length. With `norm_position="post"` the
normaliser stands behind each residual sum, with "pre" in front of each branch (Xiong et al. 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.config import TransformerConfig
from models.feed_forward import FeedForward, inner_pair
from models.norm import NormPair, before_pool, folds, make_norm, valid_frames
from models.tiled_attention import TiledAttention, Tiling


class TransformerLayer(nn.Module):
    """Attention and feed-forward network, each with a residual sum and a normaliser."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pre = config.norm_position == "pre"
        self.attention = TiledAttention(config)
        self.feed_forward = FeedForward(config.width, config.dropout, config.norm)
        self.attention_norm = make_norm(config.norm, config.width)
        self.feed_forward_norm = make_norm(config.norm, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x_BTE: Tensor, valid_BT: Tensor, tiling: Tiling, cache: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return [B, T, E] and the next keys and values."""
        if self.pre:
            a_BTE, cache = self.attention(self.attention_norm(x_BTE, valid_BT), tiling, cache)
            x_BTE = x_BTE + self.dropout(a_BTE)
            f_BTE = self.feed_forward(self.feed_forward_norm(x_BTE, valid_BT), valid_BT)
            return x_BTE + self.dropout(f_BTE), cache
        a_BTE, cache = self.attention(x_BTE, tiling, cache)
        x_BTE = self.attention_norm(x_BTE + self.dropout(a_BTE), valid_BT)
        return self.feed_forward_norm(x_BTE + self.dropout(self.feed_forward(x_BTE, valid_BT)), valid_BT), cache


class Transformer(nn.Module):
    """Projection and a stack of layers; states "position" and "layer.<i>.keys" and "layer.<i>.values"."""

    causal = True

    def __init__(self, features: int, config: TransformerConfig) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.project = nn.Linear(features, config.width)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.final_norm = make_norm(before_pool(config.norm) if config.norm_position == "pre" else "none", config.width)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros: position [batch, 1] int64, keys and values [batch, window + tile, E]."""
        rows = self.config.window + self.config.tile
        caches = {
            f"layer.{i}.{kind}": torch.zeros(batch, rows, self.width)
            for i in range(self.config.layers)
            for kind in ("keys", "values")
        }
        return {"position": torch.zeros(batch, 1, dtype=torch.int64), **caches}

    def forward(self, x_BTD: Tensor, length_B: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last layer's output at every frame [B, T, E], and the states after `length` frames."""
        frames = x_BTD.shape[1]
        valid_BT = valid_frames(length_B, frames)
        tiling = Tiling(states["position"][:, 0], length_B, frames, self.config)
        h_BTE = self.project(x_BTD)
        next_states = {"position": states["position"] + length_B[:, None]}
        for i, layer in enumerate(self.layers):
            keys, values = f"layer.{i}.keys", f"layer.{i}.values"
            h_BTE, (next_states[keys], next_states[values]) = layer(
                h_BTE, valid_BT, tiling, (states[keys], states[values])
            )
        return self.final_norm(h_BTE, valid_BT), next_states

    def norm_pairs(self) -> list[NormPair]:
        """Return the BatchNorms whose output goes into one linear map: in front of attention and feed-forward networks.

        Those in front are pre-norm only: behind a residual sum nothing folds. The final one goes into the pool.
        """
        pairs: list[NormPair] = []
        for layer in (f"layers.{i}" for i in range(self.config.layers)):
            if self.config.norm == "batch_ffn":
                pairs.append(inner_pair(f"{layer}.feed_forward"))
            if self.config.norm_position != "pre" or not folds(self.config.norm):
                continue
            pairs.append(NormPair(norm=f"{layer}.attention_norm", linear=f"{layer}.attention.project", side="after"))
            pairs.append(NormPair(norm=f"{layer}.feed_forward_norm", linear=f"{layer}.feed_forward.up", side="after"))
        return pairs
