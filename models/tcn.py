"""The temporal convolution network (Bai, Kolter & Koltun 2018): causal, dilated, residual.

Shape suffixes: B batch, T time, P past frames, D input width, C channels, K kernel taps.

A convolution is written as im2col: history and input side by side, one shifted slice a tap, one matrix product with a
constant 2-D weight. ONNX Runtime's Conv changes bits with the length of the chunk; this doesn't.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.config import TCNConfig
from models.norm import Norm, NormPair, folds, make_norm, valid_frames
from models.rows import take_frames


class CausalConv(nn.Module):
    """Dilated causal convolution whose state is the last (kernel - 1) * dilation input frames."""

    def __init__(self, features: int, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.features, self.kernel, self.dilation = features, kernel, dilation
        self.past = (kernel - 1) * dilation
        self.linear = nn.Linear(kernel * features, channels)

    def initial_state(self, batch: int) -> Tensor:
        """Zeros [batch, P, D]: nothing came before."""
        return torch.zeros(batch, self.past, self.features)

    def forward(self, x_BTD: Tensor, length_B: Tensor, history_BPD: Tensor) -> tuple[Tensor, Tensor]:
        """Return [B, T, C] and the history after `length` frames."""
        frames = x_BTD.shape[1]
        joined = torch.cat([history_BPD, x_BTD], dim=1)
        taps = [joined[:, k * self.dilation : k * self.dilation + frames] for k in range(self.kernel)]
        index_BP = length_B[:, None] + torch.arange(self.past)
        next_BPD = take_frames(joined, index_BP)
        return self.linear(torch.cat(taps, dim=2)), next_BPD


class Block(nn.Module):
    """Convolution, normaliser, ReLU, dropout, and the input added."""

    def __init__(self, config: TCNConfig, dilation: int) -> None:
        super().__init__()
        self.conv = CausalConv(config.channels, config.channels, config.kernel, dilation)
        self.norm: Norm = make_norm(config.norm, config.channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTC: Tensor, length_B: Tensor, valid_BT: Tensor, history_BPC: Tensor) -> tuple[Tensor, Tensor]:
        """Return [B, T, C] and the next history."""
        y_BTC, next_BPC = self.conv(x_BTC, length_B, history_BPC)
        return x_BTC + self.dropout(torch.relu(self.norm(y_BTC, valid_BT))), next_BPC


class TCN(nn.Module):
    """Projection and a stack of blocks with dilations 1, 2, 4, …; states "block.<i>.history"."""

    causal = True

    def __init__(self, features: int, config: TCNConfig) -> None:
        super().__init__()
        self.config, self.width = config, config.channels
        self.project = nn.Linear(features, config.channels)
        self.blocks = nn.ModuleList(Block(config, 2**i) for i in range(config.blocks))

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros, [batch, P, C] each."""
        return {f"block.{i}.history": block.conv.initial_state(batch) for i, block in enumerate(self._typed_blocks())}

    def forward(self, x_BTD: Tensor, length_B: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last block's output at every frame [B, T, C], and the states after `length` frames."""
        valid_BT = valid_frames(length_B, x_BTD.shape[1])
        h_BTC = self.project(x_BTD)
        next_states: dict[str, Tensor] = {}
        for i, block in enumerate(self.blocks):
            name = f"block.{i}.history"
            h_BTC, next_states[name] = block(h_BTC, length_B, valid_BT, states[name])
        return h_BTC, next_states

    def norm_pairs(self) -> list[NormPair]:
        """Every BatchNorm with the convolution's matrix in front of it."""
        if not folds(self.config.norm):
            return []
        return [
            NormPair(norm=f"blocks.{i}.norm", linear=f"blocks.{i}.conv.linear", side="before")
            for i in range(self.config.blocks)
        ]

    def _typed_blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]
