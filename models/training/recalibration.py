"""Recalibration: running statistics that are a blend of stored ones and those of live sequences.

After Schneider et al. 2020 ("Improving robustness against common corruptions by covariate shift adaptation",
section 3): with n live sequences and a pseudo-count of N, mean = N/(N+n) · stored + n/(N+n) · live, and the variance
likewise. Both count sequences, since frames of one sequence resemble each other.

Done layer by layer, in the order of the forward pass: a layer's live moments are those of what arrives there once all
layers in front of it are blended. Inside a recurrence the blend is a fixed point (models/training/precise.py).
Statistics of each step are blended step by step, n being the sequences that reach it; later steps than they have keep
sharing the last ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.data import Split
from models.norm import StepBatchNorm
from models.training.checkpoint import Checkpoint, Recalibration
from models.training.observation import Running
from models.training.precise import Target, blend_steps, forward_order, settle
from models.training.running_moments import Moments


def recalibrated(checkpoint: Checkpoint, sequences: Sequence[npt.NDArray[Any]], pseudo_count: float) -> Checkpoint:
    """Return the checkpoint with statistics blended with those of live sequences; weights are as they were.

    `sequences` are whole ones, [time, feature] or [time] tokens, as a client sends them; `pseudo_count` ≥ 0 is in
    sequences. Raises ValueError without sequences, for a negative count, and for a model without BatchNorm, or with
    padding counted in: those are not moments of valid frames.
    """
    if not sequences or not pseudo_count >= 0:
        raise ValueError("recalibration takes one sequence or more, and a pseudo-count of 0 or more")
    model = checkpoint.model()
    norms = {name: module for name, module in model.named_modules() if isinstance(module, Running)}
    if not norms or not all(isinstance(norm, StepBatchNorm) or norm.masked for norm in norms.values()):
        raise ValueError(f"{checkpoint.config.norm!r} has no running statistics that live frames could be blended into")
    split = Split(sequences=list(sequences), labels=np.zeros(len(sequences), dtype=np.int64))
    share = len(sequences) / (pseudo_count + len(sequences))
    for name in forward_order(model, split):
        norm = norms[name]
        if isinstance(norm, StepBatchNorm):
            blend_steps(model, split, norm, pseudo_count)
            continue
        settle(model, split, name, _blend(norm.running_mean.double(), norm.running_var.double(), share))
    done = Recalibration(
        origin_sha256=checkpoint.digest,
        sequences=len(sequences),
        frames=sum(len(sequence) for sequence in sequences),
        pseudo_count=float(pseudo_count),
    )
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return dataclasses.replace(checkpoint, weights=weights, recalibration=done)


def _blend(stored_mean_C: Tensor, stored_var_C: Tensor, share: float) -> Target:
    def target(live: Moments) -> tuple[Tensor, Tensor]:
        return stored_mean_C.lerp(live.mean_C, share), stored_var_C.lerp(live.variance(), share)

    return target
