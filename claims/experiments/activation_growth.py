"""How values grow with depth: claim 2. Nothing is trained: it is about what a fresh network does.

Shape suffixes: N frames, C features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from models.data import load
from models.norm import BatchNorm, LayerNorm, valid_frames

_WIDTH, _DEPTH = 128, 32
_GROWN = 2.0  # a root mean square so many times that of the first layer has grown, of its inverse has shrunk
_GAINS = {
    "small": 1 / math.sqrt(3),  # PyTorch's own for nn.Linear: a third of a variance of 1 / fan-in
    "glorot": 1.0,  # Glorot & Bengio 2010, for equal fan-in and fan-out
    "he": math.sqrt(2),  # He et al. 2015
    "large": 2.0,
}
_NORMS = ("none", "layer", "batch")
_CONNECTIONS = ("plain", "residual")


def _measure(trial: Trial) -> Measured:
    data = load("digits").train
    rng = np.random.default_rng(trial.seed)
    chosen = rng.permutation(len(data))[: trial.count(256, 64)]
    frames_NC = np.concatenate([data.sequences[index] for index in chosen])
    x_NC = torch.from_numpy((frames_NC - frames_NC.mean(axis=0)) / frames_NC.std(axis=0))
    return {
        f"{connection} {start} {norm}": _root_mean_squares(x_NC, trial.seed, gain, norm, connection)
        for connection in _CONNECTIONS
        for start, gain in _GAINS.items()
        for norm in _NORMS
    }


@torch.no_grad()
def _root_mean_squares(x_NC: Tensor, seed: int, gain: float, norm: str, connection: str) -> list[float]:
    """Return the root mean square after each layer: linear, normaliser, ReLU, and the sum with what came in."""
    generator = torch.Generator().manual_seed(seed)
    h_NC = x_NC
    found = []
    for _ in range(_DEPTH):
        weight_CC = torch.randn(_WIDTH, h_NC.shape[1], generator=generator) * gain / math.sqrt(h_NC.shape[1])
        y_NC = _normalised(nn.functional.linear(h_NC, weight_CC), norm).relu()
        h_NC = h_NC + y_NC if connection == "residual" and h_NC.shape == y_NC.shape else y_NC
        found.append(float(h_NC.double().square().mean().sqrt()))
    return found


def _normalised(y_NC: Tensor, norm: str) -> Tensor:
    if norm == "none":
        return y_NC
    module: nn.Module = LayerNorm(_WIDTH) if norm == "layer" else BatchNorm(_WIDTH).train()
    y_1NC: Tensor = module(y_NC[None], valid_frames(torch.tensor([len(y_NC)]), len(y_NC)))
    return y_1NC[0]


def _judge(measured: Sequence[Measured]) -> Judgement:
    growth = partial(_growth, measured)
    plain = {start: growth(f"plain {start} none", start) for start in _GAINS}
    grows = [start for start, figure in plain.items() if statistics.above(figure, _GROWN)]
    if len(grows) == len(_GAINS):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if grows else (Verdict.REFUTED, "refuted")
    control = growth("plain large layer", "large_layer")
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=plain["large"],
        control=Control(figure=control, held=statistics.below(control, _GROWN)),
        figures=[
            *(figure for start, figure in plain.items() if start != "large"),
            growth("residual he none", "residual"),
            growth("residual he layer", "residual_layer"),
        ],
        chart=_chart(measured),
        values={"grows": ", ".join(grows)},
    )


def _growth(measured: Sequence[Measured], case: str, name: str) -> Figure:
    """Return how many times the root mean square of the first layer the last one's is: geometric mean over seeds."""
    logs = statistics.mean(name, [math.log(each[case][-1] / each[case][0]) for each in measured])
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Figure(name=name, value=math.exp(logs.value), low=low, high=high, unit="×")


def _chart(measured: Sequence[Measured]) -> Chart:
    cases = [*(f"plain {start} none" for start in _GAINS), "plain large layer", "plain large batch", "residual he none"]
    series = [
        Series(name=case, y=[float(y) for y in np.exp(np.log([each[case] for each in measured]).mean(axis=0))])
        for case in cases
    ]
    return Chart(x_label="layer", y_label="root mean square", x=list(range(1, _DEPTH + 1)), series=series, log_y=True)


CLAIMS = (Claim(number=2, measure=_measure, judge=_judge),)
