"""Owns training: `train` gives a checkpoint, `run` is what the command line calls."""

from models.training.checkpoint import BatchStatistics, Checkpoint
from models.training.loop import Epoch, train
from models.training.run import run

__all__ = ["BatchStatistics", "Checkpoint", "Epoch", "run", "train"]
