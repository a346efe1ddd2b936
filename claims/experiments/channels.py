"""Which numbers share a mean: claim 4.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from claims import statistics
from claims.claim import Claim, Measured
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.data import load
from models.step_batch_norm import StepBatchNorm
from models.step_norm import over_time

_FRAMES = 12  # of each sequence, so that no padding is in the way
_EXACT = 1e-3  # deviations by which a mean may differ from the one it is said to be


def _measure(trial: Trial) -> Measured:
    data = load("digits").train
    long = [sequence[:_FRAMES] for sequence in data.sequences if len(sequence) >= _FRAMES]
    rng = np.random.default_rng(trial.seed)
    x_BTC = torch.from_numpy(np.stack([long[index] for index in rng.permutation(len(long))[:256]]))
    usual = nn.BatchNorm1d(x_BTC.shape[2], momentum=1.0)
    usual(x_BTC.transpose(1, 2))  # [batch, channel, time], as PyTorch wants them
    of_steps = StepBatchNorm(x_BTC.shape[2], _FRAMES)
    over_time(of_steps, x_BTC, torch.ones(x_BTC.shape[:2], dtype=torch.bool), None)
    assert usual.running_mean is not None  # noqa: S101 — it tracks them
    return {
        "numbers": len(usual.running_mean),
        "features": x_BTC.shape[2],
        "from_features": _distance(usual.running_mean, x_BTC.mean(dim=(0, 1)), x_BTC),
        "from_positions": _distance(usual.running_mean.expand(_FRAMES, -1), x_BTC.mean(dim=0), x_BTC),
        "steps_from_positions": _distance(of_steps.running_mean, x_BTC.mean(dim=0), x_BTC),
        "steps_from_features": _distance(of_steps.running_mean, x_BTC.mean(dim=(0, 1)).expand(_FRAMES, -1), x_BTC),
    }


def _distance(found: Tensor, expected: Tensor, x_BTC: Tensor) -> float:
    """Return the mean distance of means in deviations of the feature."""
    return float(((found - expected).abs() / x_BTC.std(dim=(0, 1))).mean())


def _judge(measured: Sequence[Measured]) -> Judgement:
    names = ("from_features", "from_positions", "steps_from_positions", "steps_from_features")
    figures = {name: statistics.mean(name, [each[name] for each in measured], "deviations") for name in names}
    is_feature = statistics.below(figures["from_features"], _EXACT)
    is_position = statistics.below(figures["from_positions"], _EXACT)
    if is_position:
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = (Verdict.REFUTED, "refuted") if is_feature else (Verdict.DEPENDS, "depends")
    # Statistics of each step are of positions: the same test has to say so.
    by_steps = figures["steps_from_positions"]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=figures["from_positions"],
        control=Control(
            figure=by_steps,
            held=statistics.below(by_steps, _EXACT) and statistics.above(figures["steps_from_features"], _EXACT),
        ),
        figures=[figures["from_features"], figures["steps_from_features"]],
        values={"numbers": measured[0]["numbers"], "features": measured[0]["features"], "positions": _FRAMES},
    )


CLAIMS = (Claim(number=4, measure=_measure, judge=_judge),)
