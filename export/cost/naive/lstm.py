"""The naive LSTM: nn.LSTM, or a Scan without lengths where a normaliser stands inside the recurrence.

Shape suffixes: B batch, T time, D input width, H hidden width, G = 4H gates.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from export.cost.naive.norm import FrameNorm, usual
from models.lstm import LSTM, LSTMLayer
from models.norm import NoNorm

_Step = tuple[Tensor, Tensor, Tensor]


class _Operator(nn.Module):
    """One layer as nn.LSTM; `layer` holds no normaliser (any more)."""

    def __init__(self, layer: LSTMLayer) -> None:
        super().__init__()
        self.lstm = nn.LSTM(layer.input.in_features, layer.hidden, batch_first=True)
        for source, letters in ((layer.input, "ih"), (layer.recurrent, "hh")):
            setattr(self.lstm, f"weight_{letters}_l0", source.weight)
            setattr(self.lstm, f"bias_{letters}_l0", source.bias)

    def forward(self, x_BTD: Tensor, h_BH: Tensor, c_BH: Tensor) -> _Step:
        y_BTH, (h_1BH, c_1BH) = self.lstm(x_BTD, (h_BH[None], c_BH[None]))
        return y_BTH, h_1BH[0], c_1BH[0]


class _Normalised(nn.Module):
    """One layer with its normalisers, step by step."""

    def __init__(self, layer: LSTMLayer) -> None:
        super().__init__()
        self.input, self.recurrent = layer.input, layer.recurrent
        self.input_norm, self.recurrent_norm = FrameNorm(layer.input_norm), usual(layer.recurrent_norm)
        self.cell_norm = usual(layer.cell_norm)

    def forward(self, x_BTD: Tensor, h_BH: Tensor, c_BH: Tensor) -> _Step:
        gates_TBG = self.input_norm(self.input(x_BTD)).transpose(0, 1)

        def step(carry: tuple[Tensor, Tensor], gates_BG: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            h_BH, c_BH = carry
            i, f, g, o = (gates_BG + self.recurrent_norm(self.recurrent(h_BH))).chunk(4, dim=1)
            c_BH = torch.sigmoid(f) * c_BH + torch.sigmoid(i) * torch.tanh(g)
            h_BH = torch.sigmoid(o) * torch.tanh(self.cell_norm(c_BH))
            return (h_BH, c_BH), h_BH.clone()  # an output of a scan may not be the very tensor that is carried on

        (h_BH, c_BH), y_TBH = scan(step, (h_BH, c_BH), gates_TBG)
        return y_TBH.transpose(0, 1), h_BH, c_BH


class NaiveLSTM(nn.Module):
    """The same function as a models.lstm.LSTM whose BatchNorms are folded: nn.LSTM has no place for them."""

    def __init__(self, body: LSTM) -> None:
        super().__init__()
        self.width = body.width
        layers = [cast("LSTMLayer", layer) for layer in body.layers]
        self.layers = nn.ModuleList(
            _Operator(layer) if layer.plain and isinstance(layer.input_norm, NoNorm) else _Normalised(layer)
            for layer in layers
        )

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros, [batch, H] each."""
        return {f"lstm.{i}.{s}": torch.zeros(batch, self.width) for i in range(len(self.layers)) for s in "hc"}

    def forward(self, x_BTD: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last layer's hidden state at every frame [B, T, H], and the states after the last frame."""
        following = {}
        for i, layer in enumerate(self.layers):
            h, c = f"lstm.{i}.h", f"lstm.{i}.c"
            x_BTD, following[h], following[c] = layer(x_BTD, states[h], states[c])
        return x_BTD, following
