"""The naive TCN: nn.Conv1d over history and input side by side.

Shape suffixes: B batch, T time, P past frames, D input width, C channels.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from export.cost.naive.norm import FrameNorm, usual
from models.tcn import TCN, Block


class _Block(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        conv, channels = block.conv, block.conv.linear.out_features
        self.past = conv.past
        self.conv = nn.Conv1d(conv.features, channels, conv.kernel, dilation=conv.past // (conv.kernel - 1))
        # ours: one row of all taps after the other
        weight_CKD = conv.linear.weight.detach().reshape(channels, conv.kernel, conv.features)
        self.conv.weight = nn.Parameter(weight_CKD.permute(0, 2, 1).contiguous())
        self.conv.bias = conv.linear.bias
        # BatchNorm follows the convolution on its own axes, so that every exporter folds it.
        norm = usual(block.norm)
        self.conv_norm = norm if isinstance(norm, nn.BatchNorm1d) else nn.Identity()
        self.frame_norm = nn.Identity() if isinstance(norm, nn.BatchNorm1d) else FrameNorm(block.norm)

    def forward(self, x_BTC: Tensor, history_BCP: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([history_BCP, x_BTC.transpose(1, 2)], dim=2)
        y_BTC = self.frame_norm(self.conv_norm(self.conv(joined)).transpose(1, 2))
        return x_BTC + torch.relu(y_BTC), joined[:, :, -self.past :]


class NaiveTCN(nn.Module):
    """The same function as a models.tcn.TCN; its states are [B, C, P], as Conv1d has it."""

    def __init__(self, body: TCN) -> None:
        super().__init__()
        self.project = body.project
        self.blocks = nn.ModuleList(_Block(cast("Block", block)) for block in body.blocks)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros: nothing came before."""
        blocks = [cast("_Block", block) for block in self.blocks]
        return {f"block.{i}.history": torch.zeros(batch, b.conv.in_channels, b.past) for i, b in enumerate(blocks)}

    def forward(self, x_BTD: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last block's output at every frame [B, T, C], and the states after the last frame."""
        h_BTC = self.project(x_BTD)
        following = {}
        for (name, history_BCP), block in zip(states.items(), self.blocks, strict=True):
            h_BTC, following[name] = block(h_BTC, history_BCP)
        return h_BTC, following
