"""Precise BatchNorm statistics (Wu & Johnson 2021): re-estimated over the whole training set once trained.

Shape suffixes: B batch, T time, N counted frames, C features.

Done layer by layer, in the order of the forward pass and in eval mode: a layer's moments are taken over every frame
of the training set as it arrives there once all layers in front of it use their precise moments. So each layer's
statistics are those of exactly what it sees when serving; one whole-set batch in training mode gives the same.
A BatchNorm inside a recurrence moves its own input, so its statistics are a fixed point, approached by damped passes
(undamped, they may circle it for ever). Statistics of each step need no passes: a step's input depends on earlier steps
only, so one batch of the whole split, cut after the last step that has any, settles them in turn.

Masked BatchNorm takes valid frames only. The naive control counts the padding of the batches used here too: corrected,
it would no longer be the mistake it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from models.data import Split
from models.data.dataset import IntArray
from models.norm import BatchNorm, StepBatchNorm
from models.training.batches import collate, whole_batches
from models.training.checkpoint import BatchStatistics
from models.training.observation import Running, is_recurrent, observed
from models.training.running_moments import Moments
from models.zoo import SequenceModel

DAMPING = 0.5  # share of the way to the measured moments that a pass inside a recurrence goes
TOLERANCE = 1e-3  # distance from the fixed point, in deviations, at which it counts as reached
MOST_PASSES = 40
# Mean and variance [C] that a layer shall have, given the moments of what enters it.
Target = Callable[[Moments], tuple[Tensor, Tensor]]


def reestimate(model: SequenceModel, split: Split) -> dict[str, BatchStatistics]:
    """Put precise statistics into the running buffers; return them beside the moving averages, by module path.

    The model is in eval mode afterwards. Without BatchNorm there is nothing to do: an empty dict.
    """
    model.eval()
    norms = {name: module for name, module in model.named_modules() if isinstance(module, Running)}
    if not norms:
        return {}
    averages = {name: _running(norm) for name, norm in norms.items()}
    frames = {name: _settle(model, split, name) for name in forward_order(model, split)}
    return {
        name: BatchStatistics(
            ema_mean=averages[name][0],
            ema_variance=averages[name][1],
            precise_mean=(precise := _running(norms[name]))[0],
            precise_variance=precise[1],
            frames=frames[name],
        )
        for name in frames
    }


def _running(norm: Running) -> tuple[Tensor, Tensor]:
    known = norm.last + 1 if isinstance(norm, StepBatchNorm) else len(norm.running_mean)
    return norm.running_mean[:known].clone(), norm.running_var[:known].clone()


def _settle(model: SequenceModel, split: Split, name: str) -> int:
    norm = cast("Running", model.get_submodule(name))
    if isinstance(norm, StepBatchNorm):
        return _settle_steps(model, split, norm)
    return settle(model, split, name, lambda moments: (moments.mean_C, moments.variance()))


def settle(model: SequenceModel, split: Split, name: str, target: Target) -> int:
    """Return the BatchNorm at module path `name` the statistics that `target` makes of the moments of what enters it.

    The model is in eval mode. Returns the number of frames; passes over the split end where the statistics do not
    change any more, since a BatchNorm inside a recurrence moves its own input.
    """
    norm, recurrent = cast("BatchNorm", model.get_submodule(name)), is_recurrent(name)
    for _ in range(MOST_PASSES):
        moments = measure(model, split, name)
        mean_C, var_C = (wanted_C.float() for wanted_C in target(moments))
        deviation_C = torch.sqrt(var_C + norm.eps)
        off_C = torch.maximum((norm.running_mean - mean_C).abs(), (norm.running_var.sqrt() - var_C.sqrt()).abs())
        norm.running_mean.lerp_(mean_C, DAMPING if recurrent else 1.0)
        norm.running_var.lerp_(var_C, DAMPING if recurrent else 1.0)
        if not recurrent or bool((off_C <= TOLERANCE * deviation_C).all()):
            break
    return moments.frames


@torch.no_grad()
def _settle_steps(model: SequenceModel, split: Split, norm: StepBatchNorm) -> int:
    """Put the whole split through as one batch, each step normalised with its own moments, and keep those."""
    sequences = [sequence[: norm.steps] for sequence in split.sequences]
    norm.known.zero_()
    _train_alone(model, split.labels, sequences, norm)
    return sum(min(len(sequence), int(norm.known)) for sequence in sequences)


@torch.no_grad()
def blend_steps(model: SequenceModel, split: Split, norm: StepBatchNorm, pseudo_count: float) -> None:
    """Blend the moments of each step that has any with those of a split, of which fewer sequences reach later steps.

    In one batch, as above: a step's input depends on earlier steps only, and those are blended by then.
    """
    norm.prior = pseudo_count
    _train_alone(model, split.labels, [sequence[: norm.last + 1] for sequence in split.sequences], norm)
    norm.prior = None


def _train_alone(model: SequenceModel, labels: IntArray, sequences: list[Any], norm: StepBatchNorm) -> None:
    """Put sequences through as one batch, with one normaliser in training mode."""
    batch = collate(sequences, labels)
    norm.train()
    model(batch.x, batch.length, model.initial_state(len(sequences)))
    norm.eval()


def measure(model: SequenceModel, split: Split, name: str) -> Moments:
    """Return the moments of what the BatchNorm at module path `name` gets in eval mode, over all of a split."""
    norm = cast("BatchNorm", model.get_submodule(name))
    moments = Moments(len(norm.weight))

    def observe(path: str, x_BTC: Tensor, valid_BT: Tensor) -> None:
        if path == name:
            moments.add(x_BTC[norm.counted(valid_BT)])

    with observed(model, observe):
        _pass(model, split)
    return moments


def forward_order(model: SequenceModel, split: Split) -> list[str]:
    """Return the BatchNorms by module path, in the order of the forward pass."""
    names: list[str] = []
    with observed(model, lambda name, _x, _valid: names.append(name)):
        _pass(model, split.select([0]))
    return list(dict.fromkeys(names))


@torch.no_grad()
def _pass(model: SequenceModel, split: Split) -> None:
    for indices, batch in whole_batches(split):
        model(batch.x, batch.length, model.initial_state(len(indices)))
