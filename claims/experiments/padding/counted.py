"""Padding that is counted in BatchNorm's statistics: claim 11.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.padding.padded_statistics import with_padding
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.accuracy import measure
from models.batch_norm import BatchNorm
from models.data import Split, load
from models.defaults import configuration
from models.norm import valid_frames
from models.training import Checkpoint

_TASK = "digits"
_SHARES = (0.25, 0.5, 0.75)
_KEY = 0.5  # the share of padding that decides: as many frames of padding as of data
_MATTERS = 1.0  # points of accuracy
_ROWS, _FRAMES = 256, 12  # of the layer's own test: sequences, cut to this length


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [training_run(_TASK, configuration(f"{_TASK}-tcn-batch")[2], seed, quick=quick)]


def _measure(trial: Trial) -> Measured:
    (run,) = _needs(trial.seed, trial.quick)
    checkpoint, dataset = trial.trained(run).checkpoint, load(_TASK)
    train = run.data().train

    def accuracy(version: Checkpoint) -> float:
        return measure(graph_of(version.model()), dataset.test).ratio

    shares = (_KEY,) if trial.quick else _SHARES
    return {
        "precise": accuracy(checkpoint),
        "unpadded": accuracy(with_padding(checkpoint, train, 0.0, masked=False)),
        "naive": {str(share): accuracy(with_padding(checkpoint, train, share, masked=False)) for share in shares},
        "masked": accuracy(with_padding(checkpoint, train, _KEY, masked=True)),
        "formula": max(_off_formula(dataset.train, share, trial.seed) for share in _SHARES),
    }


def _off_formula(split: Split, share: float, seed: int) -> float:
    """Return how far a naive BatchNorm's moments are from the formula's, as a share of the deviations it gives.

    Frames padded with zeros to a share p: mean (1-p)·mu, variance (1-p)·(sigma² + p·mu²).
    """
    long = [sequence for sequence in split.sequences if len(sequence) >= _FRAMES]
    chosen = np.random.default_rng(seed).permutation(len(long))[:_ROWS]
    x_BTC = torch.from_numpy(np.stack([long[index][:_FRAMES] for index in chosen]))
    frames = round(_FRAMES / (1 - share))
    norm = BatchNorm(x_BTC.shape[2], masked=False, momentum=1.0)
    length_B = torch.full((len(x_BTC),), _FRAMES)
    norm(torch.nn.functional.pad(x_BTC, (0, 0, 0, frames - _FRAMES)), valid_frames(length_B, frames))
    p, exact_BTC = 1 - _FRAMES / frames, x_BTC.double()
    mean_C, var_C = exact_BTC.mean(dim=(0, 1)), exact_BTC.var(dim=(0, 1), correction=0)
    expected_C = ((1 - p) * (var_C + p * mean_C.square())).sqrt()
    off_mean_C = (norm.running_mean - (1 - p) * mean_C).abs() / expected_C
    off_deviation_C = (norm.running_var.sqrt() / expected_C - 1).abs()
    return float(torch.maximum(off_mean_C, off_deviation_C).max())


def _judge(measured: Sequence[Measured]) -> Judgement:
    shares = list(measured[0]["naive"])
    unpadded = [each["unpadded"] for each in measured]
    lost = {
        share: statistics.difference(
            f"lost_{float(share):.0%}".rstrip("%"), unpadded, [each["naive"][share] for each in measured]
        )
        for share in shares
    }
    key = lost.pop(str(_KEY))
    masked = statistics.difference("masked", unpadded, [each["masked"] for each in measured])
    own = statistics.difference("own", [each["precise"] for each in measured], unpadded)
    if statistics.below(key, _MATTERS):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif statistics.above(key, _MATTERS) and statistics.below(masked, _MATTERS):
        verdict, reason = Verdict.DEPENDS, "depends"
    elif statistics.above(key, _MATTERS) and statistics.above(masked, _MATTERS):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    formula = Figure(name="formula", value=max(each["formula"] for each in measured))
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=key,
        control=Control(figure=own, held=statistics.below(own, _MATTERS) and statistics.above(own, -_MATTERS)),
        figures=[*lost.values(), masked, formula],
        chart=_chart(measured, shares),
    )


def _chart(measured: Sequence[Measured], shares: Sequence[str]) -> Chart:
    naive = [statistics.mean(share, [each["naive"][share] for each in measured]) for share in shares]
    none = statistics.mean("0", [each["unpadded"] for each in measured])
    masked = statistics.mean("masked", [each["masked"] for each in measured])
    figures = [none, *naive]
    return Chart(
        x_label="share of padding",
        y_label="accuracy",
        x=[0.0, *map(float, shares)],
        series=[
            Series(name="counted in", y=[figure.value for figure in figures], **_ends(figures)),
            Series(name="masked", y=[masked.value] * len(figures)),  # the frames that count are the same for any share
        ],
        percent=True,
    )


def _ends(figures: Sequence[Figure]) -> dict[str, list[float]]:
    low = [figure.low for figure in figures if figure.low is not None]
    high = [figure.high for figure in figures if figure.high is not None]
    return {"low": low, "high": high}


CLAIM = Claim(number=11, measure=_measure, judge=_judge, needs=_needs)
