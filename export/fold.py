"""Folding BatchNorm into neighbouring linear maps; which pairs fold is said by the models (models/norm.py)."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import nn

from models.norm import BatchNorm, NoNorm, NormPair, StepAffine, StepBatchNorm
from models.zoo import SequenceModel


def fold(model: SequenceModel) -> tuple[SequenceModel, frozenset[str]]:
    """Return a copy of a model in eval mode without the BatchNorms that fold, and the module paths of those.

    The algebra is done in float64 and rounded once. A BatchNorm without a pair stays, as s·x + t, and so does one with
    statistics of each step, as two tables of s and t.
    """
    folded = copy.deepcopy(model).eval()
    pairs = [pair for pair in folded.norm_pairs() if isinstance(folded.get_submodule(pair.norm), BatchNorm)]
    for pair in pairs:
        _fold(folded, pair)
    for name, module in list(folded.named_modules()):
        if isinstance(module, StepBatchNorm):
            folded.set_submodule(name, tables(module))
    return folded, frozenset(pair.norm for pair in pairs)


@torch.no_grad()
def _fold(model: SequenceModel, pair: NormPair) -> None:
    norm = cast("BatchNorm", copy.deepcopy(model.get_submodule(pair.norm)))
    linear = cast("nn.Linear", model.get_submodule(pair.linear))
    scale, shift = norm.double().affine()
    weight, bias = linear.weight.double(), linear.bias.double()
    if pair.side == "before":
        weight, bias = scale[:, None] * weight, scale * bias + shift
    else:
        weight, bias = weight * scale, bias + weight @ shift
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)
    model.set_submodule(pair.norm, NoNorm())


@torch.no_grad()
def tables(norm: StepBatchNorm) -> StepAffine:
    """Return the eval form of a BatchNorm with statistics of each step, which can be traced."""
    scale_SC, shift_SC = copy.deepcopy(norm).double().affine()
    return StepAffine(scale_SC.float(), shift_SC.float()).eval()
