"""What the affine map of a trained LayerNorm looks like: claim 6."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.claim import Claim, Measured
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.norm import LayerNorm
from models.zoo import SequenceModel, build, configuration

_MODELS, _QUICK_MODELS = ("vowels-lstm", "vowels-tcn", "digits-tcn", "digits-transformer"), ("vowels-tcn",)
_ONE, _SEVERAL = 0.01, 0.05  # spread of gains, in their mean, below which they are one, and above which they aren't


def _runs(seed: int, quick: bool) -> list[TrainingRun]:
    runs = []
    for name in _QUICK_MODELS if quick else _MODELS:
        task, _, config = configuration(f"{name}-layer")
        runs.append(training_run(task, config, seed, quick=quick))
    return runs


def _measure(trial: Trial) -> Measured:
    found = []
    for run in _runs(trial.seed, trial.quick):
        checkpoint = trial.trained(run).checkpoint
        fresh = build(checkpoint.task, checkpoint.architecture, checkpoint.config)
        found.append((_spread(checkpoint.model()), _spread(fresh)))
    gains, features = zip(*(spread for spread, _ in found), strict=True)
    return {
        "spread": float(np.mean(gains)),
        "fresh": float(np.mean([fresh[0] for _, fresh in found])),
        "gains_per_feature": float(np.mean(features)),
    }


def _spread(model: SequenceModel) -> tuple[float, float]:
    """Return the deviation of a layer's gains in their mean, and gains per normalised feature; means over layers."""
    norms = [module for module in model.modules() if isinstance(module, LayerNorm)]
    gains = [norm.weight.detach().numpy() for norm in norms]
    return (
        float(np.mean([np.std(gain) / np.abs(np.mean(gain)) for gain in gains])),
        float(np.mean([gain.size / norm.normalized_shape[0] for gain, norm in zip(gains, norms, strict=True)])),
    )


def _judge(measured: Sequence[Measured]) -> Judgement:
    spread = statistics.mean("spread", [100 * each["spread"] for each in measured], "%")
    fresh = statistics.mean("fresh", [100 * each["fresh"] for each in measured], "%")
    per_feature = statistics.mean("gains_per_feature", [each["gains_per_feature"] for each in measured])
    if statistics.above(spread, 100 * _SEVERAL):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif statistics.below(spread, 100 * _ONE):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = Verdict.DEPENDS, "depends"
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=spread,
        control=Control(figure=fresh, held=fresh.value == 0),
        figures=[per_feature],
    )


CLAIMS = (Claim(number=6, measure=_measure, judge=_judge, needs=_runs),)
