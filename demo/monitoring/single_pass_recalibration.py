"""The control of recalibration: all layers blended at once, from moments measured under the stale statistics.

It corrects deeper layers for a shift that the corrected layers in front of them no longer pass on.

Shape suffixes: C channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from models.data import Split
from models.norm import BatchNorm
from models.training import Checkpoint
from models.training.precise import measure


@torch.no_grad()
def recalibrated_in_a_single_pass(checkpoint: Checkpoint, sequences: Sequence[Any], pseudo_count: float) -> Checkpoint:
    """Blend as export.recalibrate does, but measure all layers before any is changed; for models without recurrence."""
    model = checkpoint.model()
    split = Split(sequences=list(sequences), labels=np.zeros(len(sequences), np.int64))
    share = len(sequences) / (len(sequences) + pseudo_count)
    norms = {name: module for name, module in model.named_modules() if isinstance(module, BatchNorm)}
    measured = {name: measure(model, split, name) for name in norms}
    for name, norm in norms.items():
        norm.running_mean.lerp_(measured[name].mean_C.float(), share)
        norm.running_var.lerp_(measured[name].variance().float(), share)
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return dataclasses.replace(checkpoint, weights=weights)
