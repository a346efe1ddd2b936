"""Sequences longer than any that statistics were taken of: claim 24."""

from __future__ import annotations

from collections.abc import Sequence

from claims import statistics
from claims.chart import Chart
from claims.claim import Claim, Measured
from claims.experiments.recurrent_batch_norm import accuracies, plot, serving_statistics
from claims.experiments.recurrent_batch_norm.accuracies import over_seeds
from claims.experiments.recurrent_batch_norm.lengths import BEYOND, cuts, run
from claims.experiments.recurrent_batch_norm.served import Version
from claims.trained import TrainingRun
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from models.data import load

# What missing statistics may cost before it matters, in points of accuracy.
_MATTERS = 1.0
_NOT_QUICK = ("mean_beyond", "last_step", "none")
_NORMS = ("batch_step", "layer", "none")


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [run(norm, longest, seed, quick=quick) for longest in cuts(quick=quick).values() for norm in _NORMS]


def _measure(trial: Trial) -> Measured:
    return {
        cut: accuracies.measure(trial, longest, _versions(trial, longest), quick=("last_beyond",))
        for cut, longest in cuts(quick=trial.quick).items()
    }


def _versions(trial: Trial, longest: int) -> dict[str, Version]:
    trained = {norm: trial.trained(run(norm, longest, trial.seed, quick=trial.quick)).checkpoint for norm in _NORMS}
    table = trained["batch_step"]
    served = {
        "last_beyond": table,
        "mean_beyond": serving_statistics.mean_beyond(table),
        "nothing_beyond": serving_statistics.unestimated_beyond(table),
        "known_beyond": serving_statistics.known_beyond(table, load("digits").train),
        "last_step": serving_statistics.last_step(table),
        "layer": trained["layer"],
        "none": trained["none"],
    }
    current = Version(checkpoint=serving_statistics.time_mean(table), norm="batch_current")
    versions = {name: Version(checkpoint=each) for name, each in served.items()} | {accuracies.TOGETHER: current}
    return {name: version for name, version in versions.items() if not trial.quick or name not in _NOT_QUICK}


def _judge(measured: Sequence[Measured]) -> Judgement:
    cost = {cut: _gap(measured, f"cost_{cut}", cut, "known_beyond", "last_beyond") for cut in measured[0]}
    above = [statistics.above(figure, _MATTERS) for figure in cost.values()]
    if all(above):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif all(statistics.below(figure, _MATTERS) for figure in cost.values()):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif any(above):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    nothing = _gap(measured, "nothing", "median", "last_beyond", "nothing_beyond")
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=cost["median"],
        control=Control(figure=nothing, held=statistics.above(nothing, 0.0)),
        figures=[*(figure for cut, figure in cost.items() if cut != "median"), *_others(measured)],
        chart=_chart(measured),
        values={"other": float(accuracies.other_answers(measured))},
    )


def _others(measured: Sequence[Measured]) -> list[Figure]:
    """Return what else sequences beyond the training lengths were answered with, against the last known step."""
    others = ("mean_beyond", "last_step", "batch_together", "batch", "layer", "none")
    gaps = [
        _gap(measured, f"{version}_{cut}", cut, version, "last_beyond")
        for cut, figures in measured[0].items()
        for version in others
        if version in figures["accuracy"]
    ]
    levels = [
        statistics.mean(f"accuracy_{cut}", over_seeds(measured, cut, "last_beyond", BEYOND)) for cut in measured[0]
    ]
    return [*levels, *gaps, Figure(name="other_answers", value=accuracies.other_answers(measured))]


def _gap(measured: Sequence[Measured], name: str, cut: str, first: str, second: str) -> Figure:
    one, other = (over_seeds(measured, cut, version, BEYOND) for version in (first, second))
    return statistics.difference(name, one, other)


def _chart(measured: Sequence[Measured]) -> Chart:
    versions = ("last_beyond", "mean_beyond", "known_beyond", "nothing_beyond", "batch_together", "layer", "none")
    return plot.accuracy_by_length(measured, versions)


CLAIM = Claim(number=24, measure=_measure, judge=_judge, needs=_needs)
