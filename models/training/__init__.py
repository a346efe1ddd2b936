"""Owns training: `train` gives a checkpoint, `run` is what the command line calls."""

from models.training.checkpoint import BatchStatistics, Checkpoint, CheckpointError
from models.training.loop import Epoch, train
from models.training.run import run
from models.training.validation import parts

__all__ = ["BatchStatistics", "Checkpoint", "CheckpointError", "Epoch", "parts", "run", "train"]
