"""Training in small batches: claim 18."""

from __future__ import annotations

from collections.abc import Sequence

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.accuracy import measure
from models.data import load
from models.defaults import configuration
from models.training.recipes import recipe

_TASK = "vowels"
_SIZES = (2, 4, 8, 16, 64)
_QUICK_SIZES = (4, 64)
_NORMS = ("batch", "layer")
_MATTERS = 1.0  # points of accuracy


def _run(norm: str, size: int, seed: int, *, quick: bool) -> TrainingRun:
    """Return a run with batches of `size`; the recipe's own is the default run of the task."""
    usual = recipe(_TASK, "tcn")
    # Adam's rate grows with the root of the batch (Malladi et al. 2022), so that only the statistics get worse.
    rate = usual.learning_rate * (size / usual.batch) ** 0.5
    config = configuration(f"{_TASK}-tcn-{norm}")[2]
    return training_run(_TASK, config, seed, quick=quick, batch=size, learning_rate=rate)


def _sizes(*, quick: bool) -> Sequence[int]:
    return _QUICK_SIZES if quick else _SIZES


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [_run(norm, size, seed, quick=quick) for size in _sizes(quick=quick) for norm in _NORMS]


def _measure(trial: Trial) -> Measured:
    test = load(_TASK).test
    return {
        norm: {
            str(size): measure(
                graph_of(trial.trained(_run(norm, size, trial.seed, quick=trial.quick)).checkpoint.model()), test
            ).ratio
            for size in _sizes(quick=trial.quick)
        }
        for norm in _NORMS
    }


def _judge(measured: Sequence[Measured]) -> Judgement:
    small, *_, large = measured[0]["batch"]  # in their order
    lost = {norm: [each[norm][large] - each[norm][small] for each in measured] for norm in _NORMS}
    more = statistics.difference("more", lost["batch"], lost["layer"])
    zero = [0.0] * len(measured)
    batch, layer = (statistics.difference(f"{norm}_lost", lost[norm], zero) for norm in _NORMS)
    if statistics.above(more, _MATTERS):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif statistics.below(more, _MATTERS):
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=more,
        control=Control(figure=layer, held=not statistics.above(layer, _MATTERS)),
        figures=[batch],
        chart=_chart(measured),
    )


def _chart(measured: Sequence[Measured]) -> Chart:
    sizes = list(measured[0]["batch"])
    series = []
    for norm in _NORMS:
        figures = [statistics.mean(norm, [each[norm][size] for each in measured]) for size in sizes]
        ends = [(figure.low, figure.high) for figure in figures]
        known = [(low, high) for low, high in ends if low is not None and high is not None]
        series.append(
            Series(
                name=norm,
                y=[figure.value for figure in figures],
                low=[low for low, _ in known],
                high=[high for _, high in known],
            )
        )
    x = [float(size) for size in sizes]
    return Chart(x_label="sequences a batch", y_label="accuracy", x=x, series=series, log_x=True, percent=True)


CLAIMS: tuple[Claim, ...] = (Claim(number=18, measure=_measure, judge=_judge, needs=_needs),)
