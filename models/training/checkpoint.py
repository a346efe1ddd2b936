"""The checkpoint: a trained model's weights and everything about how they came to be, in one file."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.config import ModelConfig, TaskSpec, config_from_json, config_to_json, task_from_json, task_to_json
from models.norm import SERVED_AS
from models.zoo import SequenceModel, build
from soloist.files import write_atomically

# What torch.load and the parts of a checkpoint raise over a file that is none.
_FOREIGN = (pickle.UnpicklingError, EOFError, RuntimeError, AttributeError, KeyError, TypeError, ValueError)


class CheckpointError(Exception):
    """A file is no checkpoint, or a damaged one."""


@dataclass(frozen=True, kw_only=True)
class BatchStatistics:
    """A BatchNorm's moments: moving averages of training, and re-estimated over all `frames` of training.

    Each is [C], or [S, C] where the first S steps of a sequence have their own.
    """

    ema_mean: Tensor
    ema_variance: Tensor
    precise_mean: Tensor
    precise_variance: Tensor
    frames: int


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """How running statistics came to be that are blended with live ones (models/training/recalibration.py)."""

    origin_sha256: str  # digest of the checkpoint before
    sequences: int  # live ones
    frames: int
    pseudo_count: float  # what the statistics before count for, in sequences


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model. `sequences`, `min_frames` and `max_frames` describe the training split it saw.

    `statistics` is keyed by a BatchNorm's module path; `weights` hold the precise ones as running statistics, or, after
    a `recalibration`, blended ones. Everything else is as training left it.
    """

    task: TaskSpec
    architecture: str
    config: ModelConfig
    weights: dict[str, Tensor]
    seed: int
    epochs: int  # epochs run, early stopping included
    best_epoch: int  # the one whose weights these are, counted from 1
    sequences: int
    min_frames: int
    max_frames: int
    validation_accuracy: float
    data_sha256: str
    statistics: dict[str, BatchStatistics]
    recalibration: Recalibration | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over task, config, data hash, seed and every weight's name, shape and bytes."""
        sha256 = hashlib.sha256()
        for text in (task_to_json(self.task), config_to_json(self.config), self.data_sha256, str(self.seed)):
            sha256.update(text.encode() + b"\0")
        for name, weight in sorted(self.weights.items()):
            sha256.update(f"{name} {weight.dtype} {tuple(weight.shape)}\0".encode())
            sha256.update(weight.contiguous().numpy().tobytes())
        return sha256.hexdigest()

    def served_as(self, norm: str) -> Checkpoint:
        """Return the same weights in a model with another normaliser (models.norm.SERVED_AS).

        Raises ValueError when these are not the weights that it takes.
        """
        if SERVED_AS.get(norm) != self.config.norm:
            raise ValueError(f"weights trained with {self.config.norm!r} cannot be served as {norm!r}")
        return dataclasses.replace(self, config=dataclasses.replace(self.config, norm=norm), statistics={})

    def model(self) -> SequenceModel:
        """Return a fresh model in eval mode with these weights."""
        model = build(self.task, self.architecture, self.config)
        model.load_state_dict(self.weights)
        return model.eval()

    def save(self, path: Path) -> None:
        """Write one file that `torch.load(weights_only=True)` reads, whole or not at all; its folder is created."""
        path.parent.mkdir(parents=True, exist_ok=True)
        statistics = {name: asdict(moments) for name, moments in self.statistics.items()}
        recalibration = asdict(self.recalibration) if self.recalibration else None
        texts = {"task": task_to_json(self.task), "config": config_to_json(self.config)}
        parts = {"statistics": statistics, "recalibration": recalibration}
        content = io.BytesIO()
        torch.save({**self._fields(), **texts, **parts}, content)
        write_atomically(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read what `save` wrote. Raises OSError where it cannot be read and CheckpointError for any other file."""
        content = path.read_bytes()
        try:
            fields: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
            fields["task"], fields["config"] = task_from_json(fields["task"]), config_from_json(fields["config"])
            fields["statistics"] = {name: BatchStatistics(**moments) for name, moments in fields["statistics"].items()}
            if fields.get("recalibration"):
                fields["recalibration"] = Recalibration(**fields["recalibration"])
            return cls(**fields)
        except _FOREIGN as error:
            raise CheckpointError(f"{path}: no checkpoint of Soloist, or a damaged one") from error

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
