"""Owns the LSTM recurrence with normalisers inside it: a Python loop over time in eager, one ONNX Scan in an export.

Shape suffixes: B batch, T time, H hidden width, G = 4H gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan

from models.step_norm import StepNorm

if TYPE_CHECKING:
    from models.lstm import LSTMLayer

# One frame of every row: gates, which rows it is valid in and, where statistics differ by step, the step it is.
_Frame = tuple[Tensor, ...]


def run(
    layer: LSTMLayer, gates_BTG: Tensor, valid_BT: Tensor, step_BT: Tensor | None, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the hidden state at every frame [B, T, H], and h and c after each row's last valid frame.

    `gates_BTG` is the input part of the gates, normalised and with its bias.
    """
    frames = (gates_BTG, valid_BT) if step_BT is None else (gates_BTG, valid_BT, step_BT)
    return (_scan if torch.onnx.is_in_onnx_export() else _loop)(layer, frames, h_BH, c_BH)


def _loop(layer: LSTMLayer, frames: _Frame, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    norm = StepNorm(layer.recurrent_norm)
    outputs = []
    for frame in zip(*(each.unbind(1) for each in frames), strict=True):
        h_BH, c_BH = _step(layer, norm, frame, h_BH, c_BH)
        outputs.append(h_BH)
    norm.finish()
    return torch.stack(outputs, dim=1), h_BH, c_BH


def _scan(layer: LSTMLayer, frames: _Frame, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    norm = StepNorm(layer.recurrent_norm)

    def step(carry: tuple[Tensor, Tensor], frame: _Frame) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h_BH, c_BH = _step(layer, norm, frame, *carry)
        # The copy: an output of a scan may not be the very tensor that is carried on.
        return (h_BH, c_BH), h_BH.clone()

    (h_BH, c_BH), y_TBH = scan(step, (h_BH, c_BH), tuple(each.transpose(0, 1) for each in frames))
    return y_TBH.transpose(0, 1), h_BH, c_BH


def _step(layer: LSTMLayer, norm: StepNorm, frame: _Frame, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
    gates_BG, valid_B1, *step_B = frame[0], frame[1][:, None], *frame[2:]
    i, f, g, o = (gates_BG + norm(layer.recurrent(h_BH), valid_B1, *step_B)).chunk(4, dim=1)
    cell_BH = torch.sigmoid(f) * c_BH + torch.sigmoid(i) * torch.tanh(g)
    hidden_BH = torch.sigmoid(o) * torch.tanh(layer.cell_norm(cell_BH, valid_B1))
    # where, not a product: a padded frame may hold NaN
    return torch.where(valid_B1, hidden_BH, h_BH), torch.where(valid_B1, cell_BH, c_BH)
