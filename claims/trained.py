"""Training runs that claims share: made once, kept under the digest of everything they depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from claims.code_digest import code_digest
from models.config import ModelConfig, TCNConfig, TransformerConfig, config_to_json
from models.data import Dataset, load
from models.training import Checkpoint, Epoch, train
from models.training.recipes import Recipe, recipe
from models.zoo import SequenceModel
from soloist.files import write_atomically

_QUICK_EPOCHS = 5  # a run's epochs are divided by it
_QUICK_LEAST_EPOCHS = 4
_QUICK_SEQUENCES = 480
# Reading it takes longer than all else of a key.
installed_version = cache(version)
Prepare = Callable[[SequenceModel], None]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Everything that a training run depends on.

    `prepare` changes the fresh model, as "module:function"; the names of its weights have to stay, since the checkpoint
    is loaded into a model that wasn't changed. `longest` is the most frames of a training sequence, `sequences` the
    most of these; 0: no limit.
    """

    task: str
    config: ModelConfig
    seed: int
    recipe: Recipe
    longest: int = 0
    sequences: int = 0
    prepare: str = ""

    @cached_property
    def key(self) -> str:
        """The name of its files: a digest of it, of the training code and of PyTorch's version."""
        fields = {**_shallow(self), "config": config_to_json(self.config), "recipe": dataclasses.asdict(self.recipe)}
        modules = ["models.training.loop", f"models.{self.config.architecture}"]
        prepare = [self.prepare.partition(":")[0]] if self.prepare else []
        code = code_digest("models", tuple(modules + prepare))
        text = json.dumps({**fields, "code": code, "torch": installed_version("torch")}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def name(self) -> str:
        """What is shown of it while it is made."""
        return f"{self.task}-{self.config.architecture}-{self.config.norm} seed {self.seed}"

    def data(self) -> Dataset:
        """Return the data set with the training sequences that this run sees."""
        return training_data(self.task, self.longest, self.sequences)


def training_data(task: str, longest: int, sequences: int) -> Dataset:
    """Return a data set with the training sequences of a run; held-out ones are all there."""
    whole = load(task)
    lengths = np.array([len(sequence) for sequence in whole.train.sequences])
    chosen = np.flatnonzero(lengths <= longest) if longest else np.arange(len(lengths))
    if sequences:
        # Drawn by a generator of its own, the same for every seed and normaliser.
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:sequences])
    return dataclasses.replace(whole, train=whole.train.select(chosen))


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A checkpoint and how it came to be, epoch by epoch."""

    checkpoint: Checkpoint
    losses: list[float]  # mean training loss of each epoch, in nats; not finite once training has diverged
    validation_losses: list[float]
    validation_accuracies: list[float]
    seconds: float


def training_run(
    task: str,
    config: ModelConfig,
    seed: int,
    *,
    quick: bool,
    longest: int = 0,
    prepare: str = "",
    **changes: Any,
) -> TrainingRun:
    """Return the run of a task's own recipe with `changes` to it; a quick one is shorter, smaller, on less data."""
    settings = dataclasses.replace(recipe(task, config.architecture), **changes)
    sequences = 0
    if quick:
        epochs = max(_QUICK_LEAST_EPOCHS, settings.epochs // _QUICK_EPOCHS)
        settings, sequences = dataclasses.replace(settings, epochs=epochs), _QUICK_SEQUENCES
        config = _shallower(config)
    return TrainingRun(
        task=task, config=config, seed=seed, recipe=settings, longest=longest, sequences=sequences, prepare=prepare
    )


def _shallower(config: ModelConfig) -> ModelConfig:
    """Return the config of a model that is traced sooner; encoders stay, since some claims are about their depth."""
    if isinstance(config, TransformerConfig):
        return dataclasses.replace(config, layers=1)
    if isinstance(config, TCNConfig):
        return dataclasses.replace(config, blocks=2)
    return config


def is_kept(run: TrainingRun, folder: Path) -> bool:
    """Return whether a run was made before."""
    return _history(run, folder).exists()


def make(run: TrainingRun, folder: Path) -> Trained:
    """Return a run that was made before, or make and keep it."""
    if not is_kept(run, folder):
        _train(run, folder)
    history = json.loads(_history(run, folder).read_text())
    return Trained(checkpoint=Checkpoint.load(_checkpoint(run, folder)), **history)


def _train(run: TrainingRun, folder: Path) -> None:
    epochs: list[Epoch] = []
    started = time.perf_counter()
    checkpoint = train(
        run.data(),
        run.config.architecture,
        run.config,
        seed=run.seed,
        progress=epochs.append,
        settings=run.recipe,
        prepare=_prepare(run.prepare),
    )
    history = {
        "losses": [epoch.loss for epoch in epochs],
        "validation_losses": [epoch.validation.loss for epoch in epochs],
        "validation_accuracies": [epoch.validation.accuracy for epoch in epochs],
        "seconds": time.perf_counter() - started,
    }
    checkpoint.save(_checkpoint(run, folder))
    write_atomically(_history(run, folder), json.dumps(history).encode())  # last: it says that the run is whole


def _prepare(name: str) -> Prepare | None:
    if not name:
        return None
    module, _, function = name.partition(":")
    found: Prepare = getattr(importlib.import_module(module), function)
    return found


def _checkpoint(run: TrainingRun, folder: Path) -> Path:
    return folder / f"{run.key}.ckpt"


def _history(run: TrainingRun, folder: Path) -> Path:
    return folder / f"{run.key}.json"


def _shallow(run: TrainingRun) -> dict[str, Any]:
    return {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}
