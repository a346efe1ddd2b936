"""The training loop: from a data set and a config to the weights of the best epoch.

The learning rate rises for a fifth of a run and falls to nothing over the rest (one cycle, Smith 2018).

Shape suffixes: N frames, C features.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.config import ModelConfig
from models.data import Dataset, Split
from models.training.batches import training_batches
from models.training.checkpoint import Checkpoint
from models.training.evaluation import Score, score
from models.training.objective import step
from models.training.precise import reestimate
from models.training.recipes import Recipe, recipe
from models.training.validation import parts
from models.zoo import Scaling, SequenceModel, build

WARM_UP = 0.2  # share of the steps
FIRST = 0.04  # share of the peak that the first step takes


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule whose peak is the optimizer's learning rate; step it after each of `steps` steps."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_peak(step, steps))


def share_of_peak(step: int, steps: int) -> float:
    """Return the share of the peak that step 0, 1, … of `steps` takes: in (0, 1], for any number of steps."""
    warm_up = round(WARM_UP * steps)
    if step < warm_up:
        return FIRST + (1 - FIRST) * _rise(step / warm_up)
    return _rise(1 - (step - warm_up) / max(steps - warm_up, 1))


def _rise(share: float) -> float:
    return (1 - math.cos(math.pi * share)) / 2


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What is known after an epoch, counted from 1 of at most `epochs`."""

    epoch: int
    epochs: int
    loss: float
    validation: Score


Progress = Callable[[Epoch], None]


@dataclass(kw_only=True)
class _Best:
    epoch: int
    validation: Score
    weights: dict[str, Tensor]


def train(
    dataset: Dataset,
    architecture: str,
    config: ModelConfig,
    seed: int = 0,
    epochs: int | None = None,
    progress: Progress | None = None,
    *,
    settings: Recipe | None = None,
    prepare: Callable[[SequenceModel], None] | None = None,
) -> Checkpoint:
    """Train a model; the same arguments on one machine give the same checkpoint, to the bit.

    Runs on one thread, which is fastest for models this small and keeps sums in one order. Torch's random state and
    thread count are as before afterwards.

    Args:
        dataset: Its training split is trained on; a part of it is kept back for early stopping.
        architecture: Of models/zoo.py.
        config: Of that architecture.
        seed: Of weights, batches, dropout and noise.
        epochs: At most so many, in place of the recipe's.
        progress: Called after every epoch.
        settings: A recipe in place of the task's.
        prepare: Changes the fresh model before anything is trained, and keeps the names of its weights.

    Raises:
        ValueError: `config` is of another architecture.

    """
    settings = recipe(dataset.name, architecture, epochs) if settings is None else settings
    rng = np.random.default_rng(seed)
    part, validation = parts(dataset, architecture, rng)
    with _reproducible(seed):
        model = build(dataset.spec, architecture, config)
        if prepare:
            prepare(model)
        set_scaling(model, part)
        best, last_epoch = _fit(model, part, validation, settings, rng, progress)
        model.load_state_dict(best.weights)
        statistics = reestimate(model, dataset.train)
        accuracy = score(model, validation).accuracy if statistics else best.validation.accuracy
    lengths = [len(sequence) for sequence in dataset.train.sequences]
    return Checkpoint(
        task=dataset.spec,
        architecture=architecture,
        config=config,
        weights={name: weight.detach().clone() for name, weight in model.state_dict().items()},
        seed=seed,
        epochs=last_epoch,
        best_epoch=best.epoch,
        sequences=len(lengths),
        min_frames=min(lengths),
        max_frames=max(lengths),
        validation_accuracy=accuracy,
        data_sha256=dataset.sha256,
        statistics=statistics,
    )


def set_scaling(model: SequenceModel, split: Split) -> None:
    """Return the model's input scaling the moments of a split's frames; a constant feature keeps deviation 1."""
    if not isinstance(model.front, Scaling):
        return
    frames_NC = np.concatenate(split.sequences).astype(np.float64)
    deviation_C = frames_NC.std(axis=0)
    model.front.mean.copy_(torch.from_numpy(frames_NC.mean(axis=0)))
    model.front.deviation.copy_(torch.from_numpy(np.where(deviation_C > 0, deviation_C, 1.0)))


def _fit(
    model: SequenceModel,
    part: Split,
    validation: Split,
    settings: Recipe,
    rng: np.random.Generator,
    progress: Progress | None,
) -> tuple[_Best, int]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = sum(1 for _ in training_batches(part, settings.batch, np.random.default_rng(0), settings.window))
    schedule = one_cycle(optimizer, steps * settings.epochs)
    best = _Best(epoch=0, validation=Score(loss=math.inf, accuracy=0.0), weights=copy.deepcopy(model.state_dict()))
    for epoch in range(1, settings.epochs + 1):
        model.train()
        losses = []
        for batch in training_batches(part, settings.batch, rng, settings.window):
            losses.append(step(model, batch, settings, optimizer))
            schedule.step()
        measured = score(model, validation)
        if measured.loss < best.validation.loss:
            best = _Best(epoch=epoch, validation=measured, weights=copy.deepcopy(model.state_dict()))
        if progress:
            progress(Epoch(epoch=epoch, epochs=settings.epochs, loss=float(np.mean(losses)), validation=measured))
        if epoch - best.epoch >= settings.patience:
            break
    return best, epoch


@contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
