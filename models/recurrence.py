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

# Fewer rows than this say too little about a batch: the running statistics are used at such a step.
_MIN_ROWS = 8


def run(
    layer: LSTMLayer, gates_BTG: Tensor, valid_BT: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the hidden state at every frame [B, T, H], and h and c after each row's last valid frame.

    `gates_BTG` is the input part of the gates, normalised and with its bias.
    """
    if torch.onnx.is_in_onnx_export():
        return _scan(layer, gates_BTG, valid_BT, h_BH, c_BH)
    return _loop(layer, gates_BTG, valid_BT, h_BH, c_BH)


def _loop(
    layer: LSTMLayer, gates_BTG: Tensor, valid_BT: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    norm = StepNorm(layer.recurrent_norm)
    outputs = []
    for gates_BG, valid_B in zip(gates_BTG.unbind(1), valid_BT.unbind(1), strict=True):
        h_BH, c_BH = _step(layer, norm, gates_BG, valid_B[:, None], h_BH, c_BH)
        outputs.append(h_BH)
    norm.finish()
    return torch.stack(outputs, dim=1), h_BH, c_BH


def _scan(
    layer: LSTMLayer, gates_BTG: Tensor, valid_BT: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    norm = StepNorm(layer.recurrent_norm)

    def step(carry: tuple[Tensor, Tensor], frame: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h_BH, c_BH = _step(layer, norm, frame[0], frame[1][:, None], *carry)
        # The copy: an output of a scan may not be the very tensor that is carried on.
        return (h_BH, c_BH), h_BH.clone()

    time_first = (gates_BTG.transpose(0, 1), valid_BT.transpose(0, 1))
    (h_BH, c_BH), y_TBH = scan(step, (h_BH, c_BH), time_first)
    return y_TBH.transpose(0, 1), h_BH, c_BH


def _step(
    layer: LSTMLayer, norm: StepNorm, gates_BG: Tensor, valid_B1: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor]:
    i, f, g, o = (gates_BG + norm(layer.recurrent(h_BH), valid_B1)).chunk(4, dim=1)
    cell_BH = torch.sigmoid(f) * c_BH + torch.sigmoid(i) * torch.tanh(g)
    hidden_BH = torch.sigmoid(o) * torch.tanh(layer.cell_norm(cell_BH, valid_B1))
    # where, not a product: a padded frame may hold NaN
    return torch.where(valid_B1, hidden_BH, h_BH), torch.where(valid_B1, cell_BH, c_BH)


class StepNorm:
    """A normaliser applied step by step; BatchNorm's moments of all steps are pooled into one update at the end.

    In training every step is normalised with the moments of its own rows (Cooijmans et al. 2016, section 3).
    """

    def __init__(self, norm: Norm) -> None:
        self._norm = norm
        self._counts: list[Tensor] = []
        self._means: list[Tensor] = []
        self._variances: list[Tensor] = []

    def __call__(self, x_BG: Tensor, valid_B1: Tensor) -> Tensor:
        """Normalise one step: [B, G]."""
        norm = self._norm
        if not (isinstance(norm, BatchNorm) and norm.training):
            y_BG: Tensor = norm(x_BG, valid_B1)
            return y_BG
        counted_B = norm.counted(valid_B1)[:, 0]
        if int(counted_B.sum()) < _MIN_ROWS:
            return norm.normalise(x_BG, norm.running_mean, norm.running_var)
        mean_G, var_G = frame_moments(x_BG, counted_B)
        self._counts.append(counted_B.sum())
        self._means.append(mean_G.detach())
        self._variances.append(var_G.detach())
        return norm.normalise(x_BG, mean_G, var_G)

    def finish(self) -> None:
        """Update the running moments once with those of all steps together (law of total variance)."""
        if not self._counts or not isinstance(self._norm, BatchNorm):
            return
        share_S1 = torch.stack(self._counts).to(torch.float32)[:, None]
        share_S1 = share_S1 / share_S1.sum()
        means_SG = torch.stack(self._means)
        mean_G = (share_S1 * means_SG).sum(dim=0)
        var_G = (share_S1 * (torch.stack(self._variances) + (means_SG - mean_G).square())).sum(dim=0)
        self._norm.update(mean_G, var_G)
