"""A recurrent BatchNorm whose gain starts at 1 instead of 0.1: what Cooijmans et al. 2016 (section 4) warn of."""

from __future__ import annotations

import torch

from models.norm import BatchNorm
from models.zoo import SequenceModel


@torch.no_grad()
def prepare(model: SequenceModel) -> None:
    """Set the gain of every BatchNorm of a fresh model."""
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.weight.fill_(1.0)
