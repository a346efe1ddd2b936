"""Owns the learning rate over a run: up for a fifth of it, down to nothing for the rest (one cycle, Smith 2018)."""

from __future__ import annotations

import math

import torch

WARM_UP = 0.2  # share of the steps
FIRST = 0.04  # share of the peak that the first step takes


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule whose peak is the optimizer's learning rate; step it after each of `steps` steps."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_peak(step, steps))


def share_of_peak(step: int, steps: int) -> float:
    """Return the share of the peak that step 0, 1, … of `steps` takes: in (0, 1], for any number of steps."""
    warm_up = round(WARM_UP * steps)
    if step < warm_up:
        return FIRST + (1 - FIRST) * _rise(step / warm_up)
    return _rise(1 - (step - warm_up) / max(steps - warm_up, 1))


def _rise(share: float) -> float:
    return (1 - math.cos(math.pi * share)) / 2
