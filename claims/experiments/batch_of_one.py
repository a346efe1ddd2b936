"""BatchNorm where a batch is one sequence: claim 14.

The same trained weights with other normalisers, in ONNX Runtime. Single frames go to an LSTM, in which everything goes
through a normaliser; a residual network would let a frame pass beside it. Shape suffixes: N sequences, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from claims import statistics
from claims.claim import Claim, Measured
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.accuracy import answers
from models.data import Split, load
from models.defaults import configuration
from models.training import Checkpoint

_TASK = "digits"
_CURRENT = "current"
_PARTS = {"instance": ("weight", "bias"), "none": ()}  # what a normaliser takes of a BatchNorm
# Of the spread of answers: as far apart as rounding puts two ways to compute the same.
_SAME = 1e-3


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [
        training_run(_TASK, configuration(f"{_TASK}-{body}-batch")[2], seed, quick=quick) for body in ("tcn", "lstm")
    ]


def _measure(trial: Trial) -> Measured:
    tcn, lstm = (trial.trained(run).checkpoint for run in _needs(trial.seed, trial.quick))
    test = load(_TASK).test
    test = test.select(np.arange(trial.count(len(test), 200)))
    versions = {
        "running": tcn,
        _CURRENT: tcn.served_as("batch_current"),
        "instance": _with_norm(tcn, "instance"),
        "none": _with_norm(tcn, "none"),
    }
    whole_NK = {name: answers(graph_of(version.model()), test) for name, version in versions.items()}
    scale = float(whole_NK[_CURRENT].std())
    return {
        "frame_spread": _spread(lstm.served_as("batch_current"), test),
        "running_spread": _spread(lstm, test),
        "from_instance": float(np.abs(whole_NK[_CURRENT] - whole_NK["instance"]).max()) / scale,
        "from_none": float(np.abs(whole_NK[_CURRENT] - whole_NK["none"]).max()) / scale,
        "accuracy": {name: _accuracy(logits_NK, test) for name, logits_NK in whole_NK.items()},
    }


def _spread(checkpoint: Checkpoint, split: Split) -> float:
    """Return how far apart answers to first frames are, each asked alone, in deviations over all classes."""
    first = dataclasses.replace(split, sequences=[frames[:1] for frames in split.sequences])
    logits_NK = answers(graph_of(checkpoint.model()), first)
    return float(np.ptp(logits_NK, axis=0).max() / logits_NK.std())


def _with_norm(checkpoint: Checkpoint, norm: str) -> Checkpoint:
    """Return the weights in a model with another normaliser, with what it takes of each BatchNorm."""
    paths = tuple(f"{path}." for path in checkpoint.statistics)
    weights = {
        name: weight
        for name, weight in checkpoint.weights.items()
        if not name.startswith(paths) or name.rpartition(".")[2] in _PARTS[norm]
    }
    config = dataclasses.replace(checkpoint.config, norm=norm)
    return dataclasses.replace(checkpoint, config=config, weights=weights, statistics={})


def _accuracy(logits_NK: npt.NDArray[np.float32], test: Split) -> float:
    return float((logits_NK.argmax(axis=1) == test.labels).mean())


def _judge(measured: Sequence[Measured]) -> Judgement:
    constant = all(each["frame_spread"] < _SAME for each in measured)
    instance = all(each["from_instance"] < _SAME for each in measured)
    untouched = all(each["from_none"] < _SAME for each in measured)
    if untouched:
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif constant and instance:
        verdict, reason = Verdict.REFUTED, "refuted"
    elif constant or instance:
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    spread, running, from_instance, from_none = (
        statistics.mean(name, [each[name] for each in measured])
        for name in ("frame_spread", "running_spread", "from_instance", "from_none")
    )
    accuracy = [
        statistics.mean(f"accuracy_{name}", [each["accuracy"][name] for each in measured])
        for name in ("running", "current", "none")
    ]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=from_none,
        control=Control(figure=running, held=all(each["running_spread"] >= _SAME for each in measured)),
        figures=[spread, from_instance, *accuracy],
    )


CLAIMS: tuple[Claim, ...] = (Claim(number=14, measure=_measure, judge=_judge, needs=_needs),)
