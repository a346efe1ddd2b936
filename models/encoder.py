"""The bidirectional Transformer encoder: every frame sees the whole sequence, so it serves whole sequences only.

Shape suffixes: B batch, T time, D input width, E model width, H heads, d head width, Q = T + 1 queries.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.config import EncoderConfig
from models.feed_forward import FeedForward, inner_pair
from models.norm import NormPair, before_pool, folds, make_norm, valid_frames


class EncoderLayer(nn.Module):
    """Attention over all valid frames and a feed-forward network."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads, self.width, self.pre = config.heads, config.width, config.norm_position == "pre"
        self.project = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.feed_forward = FeedForward(config.width, config.dropout, config.norm)
        self.attention_norm = make_norm(config.norm, config.width)
        self.feed_forward_norm = make_norm(config.norm, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTE: Tensor, valid_BT: Tensor) -> Tensor:
        """Return [B, T, E]."""
        y_BTE: Tensor
        if self.pre:
            x_BTE = x_BTE + self.dropout(self._attend(self.attention_norm(x_BTE, valid_BT), valid_BT))
            y_BTE = x_BTE + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTE, valid_BT), valid_BT))
        else:
            x_BTE = self.attention_norm(x_BTE + self.dropout(self._attend(x_BTE, valid_BT)), valid_BT)
            y_BTE = self.feed_forward_norm(x_BTE + self.dropout(self.feed_forward(x_BTE, valid_BT)), valid_BT)
        return y_BTE

    def _attend(self, x_BTE: Tensor, valid_BT: Tensor) -> Tensor:
        frames, head = x_BTE.shape[1], self.width // self.heads
        x_BTE = self.project(x_BTE)
        q, k, v = (part.reshape(-1, frames, self.heads, head).transpose(1, 2) for part in x_BTE.chunk(3, dim=2))
        # One query alone would be multiplied by another kernel, so there are never fewer than two.
        q = torch.cat([q, q[:, :, -1:]], dim=2)
        scores_BHQT = torch.where(valid_BT[:, None, None], q @ k.transpose(2, 3) / math.sqrt(head), -math.inf)
        y_BHTd: Tensor = (torch.softmax(scores_BHQT, dim=-1) @ v)[:, :, :-1]
        y_BTE: Tensor = self.out(y_BHTd.transpose(1, 2).reshape(-1, frames, self.width))
        return y_BTE


class Encoder(nn.Module):
    """Projection and layers, without state. Order comes from the frame before, so no table bounds the length."""

    causal = False

    def __init__(self, features: int, config: EncoderConfig) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        self.project = nn.Linear(features, config.width)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.final_norm = make_norm(before_pool(config.norm) if config.norm_position == "pre" else "none", config.width)
        self.before = nn.Linear(features, config.width)

    def initial_state(self, batch: int) -> dict[str, Tensor]:  # noqa: ARG002  # the body protocol asks for it
        """Nothing is carried."""
        return {}

    def forward(self, x_BTD: Tensor, length_B: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """Return the last layer's output at every frame [B, T, E] and no states."""
        valid_BT = valid_frames(length_B, x_BTD.shape[1])
        # 0 · NaN is NaN, so padding is cleared before attention's sums over time
        x_BTD = torch.where(valid_BT[:, :, None], x_BTD, 0.0)
        before_BTD = torch.cat([torch.zeros_like(x_BTD[:, :1]), x_BTD], dim=1)[:, :-1]
        h_BTE = self.project(x_BTD) + self.before(before_BTD)
        for layer in self.layers:
            h_BTE = layer(h_BTE, valid_BT)
        return self.final_norm(h_BTE, valid_BT), {}

    def norm_pairs(self) -> list[NormPair]:
        """Return the pre-norm BatchNorms, each with the linear map behind it, and those of feed-forward networks."""
        layers = range(self.config.layers) if self.config.norm == "batch_ffn" else ()
        inner = [inner_pair(f"layers.{i}.feed_forward") for i in layers]
        if not folds(self.config.norm) or self.config.norm_position != "pre":
            return inner
        return inner + [
            NormPair(norm=f"layers.{i}.{norm}", linear=f"layers.{i}.{linear}", side="after")
            for i in range(self.config.layers)
            for norm, linear in (("attention_norm", "project"), ("feed_forward_norm", "feed_forward.up"))
        ]
