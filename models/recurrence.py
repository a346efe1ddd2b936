"""The LSTM recurrence with normalisers inside it: a Python loop over time in eager, one ONNX Scan in an export.

Shape suffixes: B batch, T time, H hidden width, G = 4H gates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from models.norm import Norm
from models.rows import take
from models.step_norm import StepNorm

# One frame of every row: gates, which rows it is valid in and, where statistics differ by step, the step it is.
_Frame = tuple[Tensor, ...]
_Run = tuple[Tensor, Tensor, Tensor, Tensor]  # [B, T, H], [B, H], [B, H], [B, T, H]


@dataclass(frozen=True, kw_only=True)
class LSTMCell:
    """What one step of an LSTM layer computes with, beside the input part of its gates."""

    recurrent: nn.Linear
    recurrent_norm: Norm
    cell_norm: Norm

    def step(self, norm: StepNorm, frame: _Frame, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
        """Return h and c after one frame, whether it is valid or not; `norm` is the recurrent one, at this step."""
        gates_BG, valid_B1, *step_B = frame[0], frame[1][:, None], *frame[2:]
        i, f, g, o = (gates_BG + norm(self.recurrent(h_BH), valid_B1, *step_B)).chunk(4, dim=1)
        cell_BH = torch.sigmoid(f) * c_BH + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.cell_norm(cell_BH, valid_B1)), cell_BH


def run(
    cell: LSTMCell,
    gates_BTG: Tensor,
    length_B: Tensor,
    valid_BT: Tensor,
    step_BT: Tensor | None,
    h_BH: Tensor,
    c_BH: Tensor,
) -> _Run:
    """Return the hidden state at every frame, h and c after each row's last valid frame, and the cell at every frame.

    `gates_BTG` is the input part of the gates, normalised and with its bias.
    """
    frames: _Frame = (gates_BTG, valid_BT) if step_BT is None else (gates_BTG, valid_BT, step_BT)
    if torch.onnx.is_in_onnx_export():
        return _scan(cell, frames, length_B, h_BH, c_BH)
    return _loop(cell, frames, h_BH, c_BH)


def _loop(cell: LSTMCell, frames: _Frame, h_BH: Tensor, c_BH: Tensor) -> _Run:
    norm = StepNorm(cell.recurrent_norm)
    outputs, cells = [], []
    for frame in zip(*(each.unbind(1) for each in frames), strict=True):
        h_BH, c_BH = _step(cell, norm, frame, h_BH, c_BH)
        outputs.append(h_BH)
        cells.append(c_BH)
    norm.finish()
    return torch.stack(outputs, dim=1), h_BH, c_BH, torch.stack(cells, dim=1)


def _scan(cell: LSTMCell, frames: _Frame, length_B: Tensor, h_BH: Tensor, c_BH: Tensor) -> _Run:
    norm = StepNorm(cell.recurrent_norm)
    gates_BTG, valid_BT, *step_BT = frames
    unread_B = torch.ones(1, dtype=torch.bool)

    def step(carry: tuple[Tensor, Tensor], frame: _Frame) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        h_BH, c_BH = cell.step(norm, frame if norm.reads_valid else (frame[0], unread_B, *frame[1:]), *carry)
        # The copies: an output of a scan may not be the very tensor that is carried on.
        return (h_BH, c_BH), (h_BH.clone(), c_BH.clone())

    # Nothing is masked: padding comes last, so whatever it holds comes after all that is read.
    scanned = (gates_BTG, valid_BT, *step_BT) if norm.reads_valid else (gates_BTG, *step_BT)
    _, (y_TBH, c_TBH) = scan(step, (h_BH, c_BH), tuple(each.transpose(0, 1) for each in scanned))
    batch, hidden = h_BH.shape
    last_B = (length_B - 1) * batch + torch.arange(batch)
    return y_TBH.transpose(0, 1), take(y_TBH, last_B, hidden), take(c_TBH, last_B, hidden), c_TBH.transpose(0, 1)


def _step(cell: LSTMCell, norm: StepNorm, frame: _Frame, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
    hidden_BH, cell_BH = cell.step(norm, frame, h_BH, c_BH)
    valid_B1 = frame[1][:, None]
    # where, not a product: a padded frame may hold NaN
    return torch.where(valid_B1, hidden_BH, h_BH), torch.where(valid_B1, cell_BH, c_BH)
