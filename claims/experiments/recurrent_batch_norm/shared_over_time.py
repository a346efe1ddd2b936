"""One set of statistics for all steps, or one for each, with the same weights: claim 27."""

from __future__ import annotations

from collections.abc import Sequence

from claims import statistics
from claims.claim import Claim, Measured
from claims.experiments.recurrent_batch_norm import accuracies, plot, serving_statistics
from claims.experiments.recurrent_batch_norm.accuracies import over_seeds
from claims.experiments.recurrent_batch_norm.lengths import BEYOND, WITHIN, cuts, run
from claims.experiments.recurrent_batch_norm.served import Version
from claims.trained import TrainingRun
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict

# A smaller difference in accuracy, in points, is not "clearly wrong".
_MATTERS = 1.0
_BUCKETS = (WITHIN, BEYOND)


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [run("batch_step", longest, seed, quick=quick) for longest in cuts(quick=quick).values()]


def _measure(trial: Trial) -> Measured:
    return {
        cut: accuracies.measure(trial, longest, _versions(trial, longest), quick=("shared",))
        for cut, longest in cuts(quick=trial.quick).items()
    }


def _versions(trial: Trial, longest: int) -> dict[str, Version]:
    trained = run("batch_step", longest, trial.seed, quick=trial.quick)
    table = trial.trained(trained).checkpoint
    served = {
        "each_step": table,
        "shared": serving_statistics.shared(table, trained.data().train),
        "time_mean": serving_statistics.time_mean(table),
        "unestimated": serving_statistics.unestimated(table),
    }
    return {name: Version(checkpoint=each) for name, each in served.items()}


def _judge(measured: Sequence[Measured]) -> Judgement:
    gaps = [_gap(measured, cut, bucket, "shared") for cut in measured[0] for bucket in _BUCKETS]
    above = [statistics.above(figure, _MATTERS) for figure in gaps]
    if all(above):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif all(statistics.below(figure, _MATTERS) for figure in gaps):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif any(above):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    figures = {figure.name: figure for figure in gaps}
    key = figures.pop("shared_beyond_median")
    nothing = _gap(measured, "median", WITHIN, "unestimated")
    means = [_gap(measured, cut, bucket, "time_mean") for cut in measured[0] for bucket in _BUCKETS]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=key,
        control=Control(figure=nothing, held=statistics.above(nothing, _MATTERS)),
        figures=[*figures.values(), *means, Figure(name="other_answers", value=accuracies.other_answers(measured))],
        chart=plot.accuracy_by_length(measured, ("each_step", "shared", "time_mean", "unestimated")),
    )


def _gap(measured: Sequence[Measured], cut: str, bucket: str, version: str) -> Figure:
    """Return what statistics of each step gain over others, in points."""
    each_step, other = (over_seeds(measured, cut, name, bucket) for name in ("each_step", version))
    return statistics.difference(f"{version}_{bucket}_{cut}", each_step, other)


CLAIM = Claim(number=27, measure=_measure, judge=_judge, needs=_needs)
