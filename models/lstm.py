"""The LSTM (Hochreiter & Schmidhuber 1997), plain or with normalisers around and inside its recurrence.

Shape suffixes: B batch, T time, N all valid frames of a batch, D input width, H hidden width, G = 4H gates.

With `norm_place="input"` the input-to-hidden path is normalised (Laurent et al. 2015). With "recurrent" the
hidden-to-hidden path is too; LayerNorm and RMSNorm then also stand before the cell's output (LN-LSTM, Ba et al. 2016),
BatchNorm doesn't (Cooijmans et al. 2016 normalise the cell as well, but only without that does BatchNorm fold into the
plain LSTM operator). Running statistics are shared over time, but for "batch_step": there, as in Cooijmans et al., each
step has its own, and the step is a state, so that a stream knows it. Group norms have one group a gate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models import lstm_operator, recurrence, step_norm
from models.config import LSTMConfig
from models.feature_norm import NoNorm
from models.norm import Norm, NormPair, folds, is_causal, make_norm, valid_frames

BATCH_GAIN = 0.1  # Cooijmans et al. 2016: a gain of 1 saturates tanh and the gradient vanishes


class Seen(nn.Module):
    """Does nothing: a place at which a hook is shown what enters a normaliser inside the recurrence, at every frame."""

    def forward(self, x_BTC: Tensor, valid_BT: Tensor) -> None:
        """Take what hooks look at."""


class LSTMLayer(nn.Module):
    """One layer. Gates stand in the order input, forget, cell, output, as in torch.nn.LSTM."""

    def __init__(self, features: int, config: LSTMConfig) -> None:
        """Raise ValueError for moments over time inside the recurrence, which has no future to take them from."""
        super().__init__()
        hidden, batch = config.hidden, config.norm.startswith("batch")
        inside = config.norm if config.norm_place == "recurrent" else "none"
        if not (batch or is_causal(inside)):
            raise ValueError(f'{inside} normalises over time: of an LSTM, the input only (norm_place="input")')
        gain = BATCH_GAIN if batch and inside != "none" else 1.0
        self.hidden = hidden
        self.input = nn.Linear(features, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden)
        self.input_norm: Norm = make_norm(config.norm, 4 * hidden, gain=gain, steps=config.norm_steps)
        self.recurrent_norm: Norm = make_norm(inside, 4 * hidden, gain=gain, steps=config.norm_steps)
        self.cell_norm: Norm = make_norm("none" if batch else inside, hidden)
        self.cell_seen = Seen()
        self._initialise()

    def _initialise(self) -> None:
        for linear in (self.input, self.recurrent):
            for gate in linear.weight.chunk(4):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(linear.bias)
        # Memories last at first; a normaliser's own bias takes that part, since it would cancel one in front of it.
        bias = self.input.bias if isinstance(self.input_norm, NoNorm | nn.RMSNorm) else self.input_norm.bias
        nn.init.ones_(bias.chunk(4)[1])

    @property
    def plain(self) -> bool:
        """True when nothing is left inside the recurrence, so the LSTM operator computes it."""
        return isinstance(self.recurrent_norm, NoNorm) and isinstance(self.cell_norm, NoNorm)

    def forward(
        self, x_BTD: Tensor, length_B: Tensor, h_BH: Tensor, c_BH: Tensor, step_BT: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the hidden state at every frame [B, T, H], and h and c after `length` frames.

        `step_BT` counts each sequence's frames from 0, for a normaliser with statistics of each step.
        """
        valid_BT = valid_frames(length_B, x_BTD.shape[1])
        if isinstance(self.input_norm, NoNorm) and self.plain:
            return lstm_operator.run(x_BTD, length_B, h_BH, c_BH, self.input, self.recurrent)
        gates_BTG = step_norm.over_time(self.input_norm, self.input(x_BTD), valid_BT, step_BT)
        if self.plain:
            return lstm_operator.run(gates_BTG, length_B, h_BH, c_BH, None, self.recurrent)
        cell = recurrence.LSTMCell(
            recurrent=self.recurrent, recurrent_norm=self.recurrent_norm, cell_norm=self.cell_norm
        )
        y_BTH, h_BH, c_BH, c_BTH = recurrence.run(cell, gates_BTG, length_B, valid_BT, step_BT, h_BH, c_BH)
        self.cell_seen(c_BTH, valid_BT)
        return y_BTH, h_BH, c_BH


class LSTM(nn.Module):
    """Stack of LSTM layers; states "lstm.<i>.h" and "lstm.<i>.c", and, for statistics of each step, "lstm.position"."""

    causal = True

    def __init__(self, features: int, config: LSTMConfig) -> None:
        super().__init__()
        self.config, self.width = config, config.hidden
        widths = [features] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(LSTMLayer(width, config) for width in widths)
        self.dropout = nn.Dropout(config.dropout)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros: [batch, H] each; position [batch, 1] int64."""
        states = {f"lstm.{i}.{s}": torch.zeros(batch, self.width) for i in range(self.config.layers) for s in "hc"}
        position = {"lstm.position": torch.zeros(batch, 1, dtype=torch.int64)}
        return {**states, **position} if self.config.norm == "batch_step" else states

    def forward(self, x_BTD: Tensor, length_B: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last layer's hidden state at every frame [B, T, H], and the states after `length` frames."""
        next_states: dict[str, Tensor] = {}
        step_BT = None
        if "lstm.position" in states:
            step_BT = states["lstm.position"] + torch.arange(x_BTD.shape[1])
            next_states["lstm.position"] = states["lstm.position"] + length_B[:, None]
        for i, layer in enumerate(self.layers):
            h, c = f"lstm.{i}.h", f"lstm.{i}.c"
            x_BTD, next_states[h], next_states[c] = layer(
                x_BTD if i == 0 else self.dropout(x_BTD), length_B, states[h], states[c], step_BT
            )
        return x_BTD, next_states

    def norm_pairs(self) -> list[NormPair]:
        """Every BatchNorm with the linear map in front of it; folded, the plain LSTM operator is left."""
        if not folds(self.config.norm):
            return []
        paths = ("input", "recurrent") if self.config.norm_place == "recurrent" else ("input",)
        return [
            NormPair(norm=f"layers.{i}.{path}_norm", linear=f"layers.{i}.{path}", side="before")
            for i in range(self.config.layers)
            for path in paths
        ]
