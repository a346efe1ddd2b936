"""What normalisation does to moments, and what its affine map undoes: claim 1.

Synthetic frames, since the truth has to be known: correlated normal features.

Shape suffixes: N frames, C features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.norm import LayerNorm, valid_frames

_FEATURES = 64
_GAIN, _BIAS = 1.5, 0.4  # of the affine map that is one number for all features
_SMALL = 1e-3  # factor on the input at which epsilon is no longer small beside the variance
# A moment holds where it is off by less than this share of itself.
_TOLERANCE = 0.01


def _deviations(x_NC: torch.Tensor, gain_C: torch.Tensor, bias_C: torch.Tensor) -> float:
    """Return how far the mean and variance of LayerNorm's frames are from b and g², on average over frames.

    g and b are the means over features of the affine map's, and both distances are counted in g² and g.
    """
    norm = LayerNorm(_FEATURES)
    with torch.no_grad():
        norm.weight.copy_(gain_C)
        norm.bias.copy_(bias_C)
        y_NC = norm(x_NC[None], valid_frames(torch.tensor([len(x_NC)]), len(x_NC)))[0].double()
    gain, bias = gain_C.double().mean(), bias_C.double().mean()
    mean_N, var_N = y_NC.mean(dim=1), y_NC.var(dim=1, correction=0)
    return float(torch.maximum((mean_N - bias).abs() / gain, (var_N - gain**2).abs() / gain**2).mean())


def _measure(trial: Trial) -> Measured:
    generator = torch.Generator().manual_seed(trial.seed)
    mixing_CC = torch.randn(_FEATURES, _FEATURES, generator=generator) / _FEATURES**0.5
    x_NC = torch.randn(trial.count(4096, 512), _FEATURES, generator=generator) @ mixing_CC + 0.5
    scalar_gain_C, scalar_bias_C = torch.full((_FEATURES,), _GAIN), torch.full((_FEATURES,), _BIAS)
    # As spread out as the gains that LayerNorms of the demonstration learn: claim 6.
    gain_C = scalar_gain_C * (1 + 0.3 * torch.randn(_FEATURES, generator=generator))
    bias_C = scalar_bias_C + 0.3 * torch.randn(_FEATURES, generator=generator)
    return {
        "scalar": _deviations(x_NC, scalar_gain_C, scalar_bias_C),
        "vector": _deviations(x_NC, gain_C, bias_C),
        "small": _deviations(x_NC * _SMALL, scalar_gain_C, scalar_bias_C),
        "none": float((x_NC.double().var(dim=1, correction=0) - 1).abs().mean()),
    }


def _judge(measured: Sequence[Measured]) -> Judgement:
    off = {name: statistics.mean(name, [each[name] for each in measured]) for name in measured[0]}
    holds = {name: statistics.below(figure, _TOLERANCE) for name, figure in off.items()}
    broken = [name for name in ("vector", "small") if not holds[name]]
    if not holds["scalar"]:
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if broken else (Verdict.SUPPORTED, "supported")
    names = ("scalar", "vector", "small", "none")
    series = Series(
        name="distance",
        y=[off[name].value for name in names],
        low=[np.nan if (low := off[name].low) is None else low for name in names],
        high=[np.nan if (high := off[name].high) is None else high for name in names],
    )
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=off["vector"],
        control=Control(figure=off["none"], held=statistics.above(off["none"], _TOLERANCE)),
        figures=[off["scalar"], off["small"]],
        chart=Chart(x_label="affine map", y_label="distance", x=names, series=[series], kind="bars", log_y=True),
    )


CLAIMS = (Claim(number=1, measure=_measure, judge=_judge),)
