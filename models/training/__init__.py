"""Training: `train` gives a checkpoint, `run` is what the command line calls."""

import models.torch_cache  # noqa: F401  # before torch's compiler is imported
from models.training.checkpoint import BatchStatistics, Checkpoint, CheckpointError, Recalibration
from models.training.command import run
from models.training.loop import Epoch, train
from models.training.recalibration import recalibrated
from models.training.validation import parts

__all__ = [
    "BatchStatistics",
    "Checkpoint",
    "CheckpointError",
    "Epoch",
    "Recalibration",
    "parts",
    "recalibrated",
    "run",
    "train",
]
