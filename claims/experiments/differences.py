"""What LayerNorm and BatchNorm differ in beside the axis: claim 32.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from claims import statistics
from claims.claim import Claim, Measured
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.data import load
from models.feature_norm import GroupStepNorm
from models.norm import BatchNorm, LayerNorm
from models.training.batches import collate

_Norm = LayerNorm | BatchNorm | GroupStepNorm


def _measure(trial: Trial) -> Measured:
    data = load("vowels").train
    rng = np.random.default_rng(trial.seed)
    chosen = rng.permutation(len(data))[:32]
    batch = collate([data.sequences[index] for index in chosen], data.labels[chosen])
    valid_BT = torch.arange(batch.x.shape[1]) < batch.length[:, None]
    features = batch.x.shape[2]
    norms: dict[str, _Norm] = {
        "layer": LayerNorm(features),
        "batch": BatchNorm(features),
        # It differs from LayerNorm in nothing but which features share a mean.
        "group": GroupStepNorm(features),
    }
    return {
        name: {test.__name__.strip("_"): test(deepcopy(norm), batch.x, valid_BT) for test in _TESTS}
        for name, norm in norms.items()
    }


@torch.no_grad()
def _keeps_statistics(norm: _Norm, x_BTC: Tensor, valid_BT: Tensor) -> bool:
    """Return whether it has buffers that training changes."""
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    norm.train()(x_BTC, valid_BT)
    return any(not torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


@torch.no_grad()
def _reads_mode(norm: _Norm, x_BTC: Tensor, valid_BT: Tensor) -> bool:
    """Return whether training and serving give other outputs."""
    return bool((norm.train()(x_BTC, valid_BT) != norm.eval()(x_BTC, valid_BT))[valid_BT].any())


@torch.no_grad()
def _remembers(norm: _Norm, x_BTC: Tensor, valid_BT: Tensor) -> bool:
    """Return whether what was seen in training changes what is served: then there is a momentum to choose."""
    before_BTC = norm.eval()(x_BTC, valid_BT)
    norm.train()(3 * x_BTC + 1, valid_BT)
    return bool((norm.eval()(x_BTC, valid_BT) != before_BTC)[valid_BT].any())


@torch.no_grad()
def _needs_mask(norm: _Norm, x_BTC: Tensor, valid_BT: Tensor) -> bool:
    """Return whether padding that isn't masked changes valid frames in training."""
    masked_BTC = deepcopy(norm).train()(x_BTC, valid_BT)
    return bool((norm.train()(x_BTC, torch.ones_like(valid_BT)) != masked_BTC)[valid_BT].any())


@torch.no_grad()
def _is_affine_when_served(norm: _Norm, x_BTC: Tensor, valid_BT: Tensor) -> bool:
    """Return whether it is an affine map when it is served, so that it folds into a neighbouring linear map."""
    zero_BTC, y_BTC = norm.eval()(torch.zeros_like(x_BTC), valid_BT), norm(x_BTC, valid_BT)
    return bool(torch.allclose(norm(2 * x_BTC, valid_BT) - zero_BTC, 2 * (y_BTC - zero_BTC), rtol=1e-4, atol=1e-4))


_TESTS: tuple[Callable[[_Norm, Tensor, Tensor], bool], ...] = (
    _keeps_statistics,
    _reads_mode,
    _remembers,
    _needs_mask,
    _is_affine_when_served,
)


def _judge(measured: Sequence[Measured]) -> Judgement:
    differences = [_differing(each, "batch") for each in measured]
    count = statistics.mean("differences", [float(len(each)) for each in differences])
    same = statistics.mean("group_differences", [float(len(_differing(each, "group"))) for each in measured])
    if not any(differences):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        always = set.intersection(*map(set, differences))
        verdict, reason = (Verdict.REFUTED, "refuted") if always else (Verdict.DEPENDS, "depends")
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=count,
        control=Control(figure=same, held=same.value == 0),
        values={"tests": len(_TESTS)},
    )


def _differing(found: Measured, norm: str) -> list[str]:
    return [test for test, outcome in found[norm].items() if outcome != found["layer"][test]]


CLAIMS = (Claim(number=32, measure=_measure, judge=_judge),)
