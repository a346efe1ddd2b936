"""Owns the LSTM recurrence with normalisers inside it: a Python loop over time in eager, one ONNX Scan in an export.

Shape suffixes: B batch, T time, H hidden width, G = 4H gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan

from models.norm import BatchNorm, Norm, frame_moments

if TYPE_CHECKING:
    from models.lstm import LSTMLayer


def run(
    layer: LSTMLayer, gates_BTG: Tensor, valid_BT: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the hidden state at every frame [B, T, H], and h and c after each row's last valid frame.

    `gates_BTG` is the input part of the gates, normalised and with its bias.
    """
    if torch.onnx.is_in_onnx_export():
        return _scan(layer, gates_BTG, valid_BT, h_BH, c_BH)
    return _loop(layer, gates_BTG, valid_BT, h_BH, c_BH)
