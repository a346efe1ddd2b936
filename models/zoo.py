"""The whole model around a body: scaling or embedding in front, pooled classification head behind.

The default models by name are those of models/defaults.py, to be had from here too.

Shape suffixes: B batch, T time, C input features, D width in front of the body, H body width, K classes.

The body protocol (models/lstm.py, tcn.py, transformer.py, encoder.py). A body is an nn.Module made as
`Body(features: int, config)`; `features` is D: the task's feature count, or the embedding width for tokens. It has

- `config`, `causal: bool`, `width: int` (H, features of its output),
- `initial_state(batch) -> dict[str, Tensor]`: zeros, batch first; names such as "lstm.0.h", "block.1.history",
  "layer.0.keys", "position"; `{}` for a body that isn't causal,
- `forward(x_BTD, length_B, states) -> (h_BTH, next_states)`: x is scaled or embedded, not projected: the body does that
  itself. Frames past `length` may hold NaN and must influence neither the first `length` outputs nor the states.
  Masks come from `norm.valid_frames(length_B, x_BTD.shape[1])`, normalisers are called as `norm(x_BTC, valid_BT)`,
- `norm_pairs() -> list[NormPair]`: where BatchNorm folds; paths are relative to the body; `[]` for other normalisers.

Nothing in it asks whether it is being exported unless an ONNX operator has no torch form (the LSTM with lengths).
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from models.causal_pool import CausalPool
from models.config import ModelConfig, TaskSpec
from models.defaults import DEFAULTS, configuration, names, norms, with_norm
from models.norm import SERVED_AS, NormPair, is_causal

__all__ = [
    "BODIES",
    "DEFAULTS",
    "Body",
    "Scaling",
    "SequenceModel",
    "TokenEmbedding",
    "build",
    "configuration",
    "names",
    "norms",
    "with_norm",
]

BODIES = {"lstm": "LSTM", "tcn": "TCN", "transformer": "Transformer", "encoder": "Encoder"}


class Body(Protocol):
    """What stands between input scaling and head; see the module's docstring."""

    causal: bool
    width: int

    def initial_state(self, batch: int) -> dict[str, Tensor]: ...  # noqa: D102
    def norm_pairs(self) -> list[NormPair]: ...  # noqa: D102


class Scaling(nn.Module):
    """Per-feature (x - mean) / deviation with the training split's moments, as buffers inside the model."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return x scaled, same shape."""
        return (x_BTC - self.mean) / self.deviation


class TokenEmbedding(nn.Embedding):
    """One vector a token; a token out of range is clipped into it."""

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return [B, T, D]."""
        return super().forward(tokens_BT.clamp(0, self.num_embeddings - 1))


class SequenceModel(nn.Module):
    """Classifier of sequences: logits at every frame from the mean of the body's output so far."""

    def __init__(self, task: TaskSpec, architecture: str, config: ModelConfig) -> None:
        super().__init__()
        tokens = task.frames == "tokens"
        features = config.embedding if tokens else task.feature_count
        self.task, self.architecture, self.config = task, architecture, config
        self.front = TokenEmbedding(task.token_count, features) if tokens else Scaling(features)
        body = getattr(importlib.import_module(f"models.{architecture}"), BODIES[architecture])(features, config)
        self.body: nn.Module = body
        self.causal: bool = body.causal and is_causal(config.norm)
        self.pool = CausalPool(body.width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(body.width, len(task.labels))

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Zeros of every state, batch first; empty for a model that isn't causal."""
        return self._zero_states(batch) if self.causal else {}

    def _zero_states(self, batch: int) -> dict[str, Tensor]:
        pool = {f"pool.{name}": state for name, state in self.pool.initial_state(batch).items()}
        return {**cast("Body", self.body).initial_state(batch), **pool}

    def forward(self, x: Tensor, length_B: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits [B, T, K] and the states after `length` frames.

        `x` is [B, T, C] float32 or [B, T] int64 tokens, `length_B` int64 ≥ 1. Row b's answer for its whole sequence is
        its logits at frame length - 1.
        """
        states = states if self.causal else self._zero_states(x.shape[0])
        pooled = {name: states[f"pool.{name}"] for name in ("sum", "count")}
        h_BTH, next_states = self.body(self.front(x), length_B, states)
        mean_BTH, next_pooled = self.pool(h_BTH, length_B, pooled)
        logits_BTK = self.head(self.dropout(mean_BTH))
        if not self.causal:
            return logits_BTK, {}
        return logits_BTK, {**next_states, **{f"pool.{name}": state for name, state in next_pooled.items()}}

    def norm_pairs(self) -> list[NormPair]:
        """Where BatchNorm folds, by module path from this model."""
        pairs = cast("Body", self.body).norm_pairs()
        return [dataclasses.replace(p, norm=f"body.{p.norm}", linear=f"body.{p.linear}") for p in pairs]


def build(task: TaskSpec, architecture: str, config: ModelConfig) -> SequenceModel:
    """Return a fresh model in training mode.

    Raises ValueError when `config` is of another architecture, or names a normaliser that this one does not have.
    """
    if config.architecture != architecture:
        raise ValueError(f"a {config.architecture} config cannot set up a {architecture}")
    if config.norm not in (*norms(architecture), *SERVED_AS):
        raise ValueError(f"{architecture} has no normaliser {config.norm!r}: one of {', '.join(norms(architecture))}")
    return SequenceModel(task, architecture, config)
