"""BatchNorm statistics taken of padded sequences, with the padding counted in or not.

Shape suffixes: B batch, T time, N counted frames, C features.
"""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np
import torch
from torch import Tensor

from models.batch_norm import BatchNorm
from models.data import Split
from models.training import Checkpoint
from models.training.observation import observed
from models.training.running_moments import Moments
from models.zoo import SequenceModel


def with_padding(checkpoint: Checkpoint, split: Split, share: float, *, masked: bool) -> Checkpoint:
    """Return a checkpoint with statistics of a split's sequences, each padded until `share` of its frames are zeros.

    Layer by layer in the order of the forward pass, so each has the moments of exactly what it then gets.
    """
    model = checkpoint.model()
    for name in checkpoint.statistics:
        norm = cast("BatchNorm", model.get_submodule(name))
        moments = _moments(model, split, share, name, masked=masked)
        norm.running_mean.copy_(moments.mean_C)
        norm.running_var.copy_(moments.variance())
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return dataclasses.replace(checkpoint, weights=weights, statistics={})


def padded_frames(length: int, share: float) -> int:
    """Return how many frames a sequence has once `share` of them are padding."""
    return max(round(length / (1 - share)), length)


@torch.no_grad()
def _moments(model: SequenceModel, split: Split, share: float, path: str, *, masked: bool) -> Moments:
    moments = Moments(len(cast("BatchNorm", model.get_submodule(path)).weight))

    def observe(_name: str, x_BTC: Tensor, valid_BT: Tensor) -> None:
        moments.add(x_BTC[valid_BT] if masked else x_BTC.flatten(0, 1))

    lengths = np.array([len(sequence) for sequence in split.sequences])
    with observed(model, observe, [path]):
        for length in np.unique(lengths):  # equal ones together: so all padding is what was asked for
            frames_BTC = torch.from_numpy(np.stack([split.sequences[i] for i in np.flatnonzero(lengths == length)]))
            padding = padded_frames(int(length), share) - int(length)
            x_BTC = torch.nn.functional.pad(frames_BTC, (0, 0, 0, padding))
            model(x_BTC, torch.full((len(x_BTC),), int(length)), model.initial_state(len(x_BTC)))
    return moments
