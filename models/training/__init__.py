"""Owns training: `train` gives a checkpoint, `run` is what the command line calls."""

from models.training.checkpoint import BatchStatistics, Checkpoint, CheckpointError
from models.training.loop import Epoch, train
from models.training.run import run

__all__ = ["BatchStatistics", "Checkpoint", "CheckpointError", "Epoch", "run", "train"]
