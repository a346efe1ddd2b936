"""One trained recurrent BatchNorm with other statistics to be served with: its weights stay as they are.

The checkpoints that are taken were trained with "batch_step": a table of moments, one row a step. Those that are
returned either have another table, or one row for all steps, which is "batch" and folds into the LSTM operator.

Shape suffixes: S steps that have statistics, C features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.config import LSTMConfig
from models.data import Split
from models.step_batch_norm import StepBatchNorm
from models.training import Checkpoint
from models.training.batches import collate
from models.training.precise import reestimate

_MEAN, _VARIANCE, _KNOWN = "running_mean", "running_var", "known"
# A table [S, C] of means or of variances to the one row that serves every step.
_Row = Callable[[Tensor], Tensor]


def time_mean(checkpoint: Checkpoint) -> Checkpoint:
    """Return statistics that are the mean over steps of those of each step."""
    return _one_row(checkpoint, lambda table_SC: table_SC.mean(dim=0))


def last_step(checkpoint: Checkpoint) -> Checkpoint:
    """Return the statistics of the last known step, for every step."""
    return _one_row(checkpoint, lambda table_SC: table_SC[-1])


def unestimated(checkpoint: Checkpoint) -> Checkpoint:
    """Return mean 0 and variance 1 for every step: statistics that nobody took."""
    return _constant(time_mean(checkpoint))


def shared(checkpoint: Checkpoint, split: Split) -> Checkpoint:
    """Return statistics over all frames of all steps, estimated on the sequences of a split.

    Inside the recurrence they move what they are moments of, so they are a fixed point (models/training/precise.py).
    """
    checkpoint = time_mean(checkpoint)
    model = checkpoint.model()
    statistics = reestimate(model, split)
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return dataclasses.replace(checkpoint, weights=weights, statistics=statistics)


def known_beyond(checkpoint: Checkpoint, split: Split) -> Checkpoint:
    """Return the table as it is, with rows for later steps, as far as sequences of a split reach (models.moments)."""
    model = checkpoint.model()
    for name, norm in list(model.named_modules()):
        if isinstance(norm, StepBatchNorm):
            model.set_submodule(name, _LaterSteps(norm))
    batch = collate([sequence[: _config(checkpoint).norm_steps] for sequence in split.sequences], split.labels)
    with torch.no_grad():
        model(batch.x, batch.length, model.initial_state(len(split)))
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return dataclasses.replace(checkpoint, weights=weights, statistics={})


def mean_beyond(checkpoint: Checkpoint) -> Checkpoint:
    """Return the table with the mean over its steps for every step beyond it, in place of its last row."""
    return _longer(checkpoint, time_mean(checkpoint))


def unestimated_beyond(checkpoint: Checkpoint) -> Checkpoint:
    """Return the table with mean 0 and variance 1 for every step beyond it: no statistics there."""
    return _longer(checkpoint, unestimated(checkpoint))


class _LaterSteps(StepBatchNorm):
    """A StepBatchNorm that, in training, leaves its known steps as they are and takes the moments of later ones."""

    def __init__(self, norm: StepBatchNorm) -> None:
        super().__init__(norm.running_mean.shape[1], norm.steps)
        self.load_state_dict(norm.state_dict())
        self._step = 0

    def counted(self, valid_BT: Tensor) -> Tensor:
        """Return the frames that enter the statistics, called step by step: none of a known step."""
        step, self._step = self._step, self._step + 1
        return valid_BT if step >= int(self.known) else torch.zeros_like(valid_BT)

    @torch.no_grad()
    def update(self, means: Sequence[Tensor], variances: Sequence[Tensor]) -> None:
        """Take over the moments of the steps after the known ones."""
        first, last = int(self.known), int(self.known) + len(means)
        self.running_mean[first:last] = torch.stack(list(means))
        self.running_var[first:last] = torch.stack(list(variances))
        self.known.fill_(last)


def _one_row(checkpoint: Checkpoint, row: _Row) -> Checkpoint:
    weights = {name: weight for name, weight in checkpoint.weights.items() if not name.endswith(f".{_KNOWN}")}
    for name, weight in weights.items():
        if name.endswith((f".{_MEAN}", f".{_VARIANCE}")):
            weights[name] = row(weight[: _known(checkpoint, name)])
    config = dataclasses.replace(checkpoint.config, norm="batch")
    return dataclasses.replace(checkpoint, config=config, weights=weights, statistics={})


def _constant(checkpoint: Checkpoint) -> Checkpoint:
    fills = {_MEAN: torch.zeros_like, _VARIANCE: torch.ones_like}
    weights = {
        name: fills[last](weight) if (last := name.rpartition(".")[2]) in fills else weight
        for name, weight in checkpoint.weights.items()
    }
    return dataclasses.replace(checkpoint, weights=weights)


def _longer(checkpoint: Checkpoint, beyond: Checkpoint) -> Checkpoint:
    """Return the table up to its last known row, and after that the row of `beyond`, which any later step then uses."""
    weights, steps = dict(checkpoint.weights), 0
    for name, weight in checkpoint.weights.items():
        if name.endswith((f".{_MEAN}", f".{_VARIANCE}")):
            table_SC = weight[: _known(checkpoint, name)]
            weights[name] = torch.cat([table_SC, beyond.weights[name][None]])
            steps = len(weights[name])
        elif name.endswith(f".{_KNOWN}"):
            weights[name] = weight + 1
    config = dataclasses.replace(_config(checkpoint), norm_steps=steps)
    return dataclasses.replace(checkpoint, config=config, weights=weights, statistics={})


def _config(checkpoint: Checkpoint) -> LSTMConfig:
    if not isinstance(checkpoint.config, LSTMConfig):
        raise TypeError("only an LSTM has statistics of each step")
    return checkpoint.config


def _known(checkpoint: Checkpoint, name: str) -> int:
    return int(checkpoint.weights[f"{name.rpartition('.')[0]}.{_KNOWN}"])
