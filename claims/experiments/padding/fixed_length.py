"""Padding to one fixed length, against batches of like lengths: claim 25.

Processor time of the engine's thread, all ways in turns. Shape suffixes: B batch, T time, C features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from claims import statistics
from claims.claim import Claim, Measured
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.accuracy import measure
from export.cost.stopwatch import in_turns, ratio
from models.data import Split, load
from models.defaults import configuration
from service.engine.graph import Graph

_TASK = "digits"
_BATCH = 32
_SLOWER = 1.05  # a smaller ratio of times is no cost that anyone would notice
_PERCENTILE = 95  # the usual way to set a maximum: what is longer is cut off
_EQUAL_FRAMES = 17  # of the control's sequences, the median

_Batches = list[tuple[npt.NDArray[np.float32], list[int]]]  # frames [B, T, C] and lengths


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [training_run(_TASK, configuration(f"{_TASK}-tcn-batch")[2], seed, quick=quick)]


def _measure(trial: Trial) -> Measured:
    (run,) = _needs(trial.seed, trial.quick)
    graph, dataset = graph_of(trial.trained(run).checkpoint.model()), load(_TASK)
    drawn = np.random.default_rng(trial.seed).permutation(len(dataset.test))
    split = dataset.test.select(drawn[: trial.count(len(drawn), 160)])
    lengths = np.array([len(sequence) for sequence in split.sequences])
    orders = {"fixed": np.arange(len(split)), "in_order": np.arange(len(split)), "sorted": np.argsort(lengths)}
    ways = {name: _batches(split, order, int(lengths.max()) * (name == "fixed")) for name, order in orders.items()}
    ways["alone"] = [(frames[None], [len(frames)]) for frames in split.sequences]
    seconds = _seconds(graph, ways, trial)
    equal = split.select(np.flatnonzero(lengths >= _EQUAL_FRAMES))
    cut = Split(sequences=[frames[:_EQUAL_FRAMES] for frames in equal.sequences], labels=equal.labels)
    same = _batches(cut, np.arange(len(cut)), 0)
    equals = _seconds(graph, {"fixed": _batches(cut, np.arange(len(cut)), _EQUAL_FRAMES), "sorted": same}, trial)
    most = int(np.percentile([len(sequence) for sequence in dataset.train.sequences], _PERCENTILE))
    shorter = Split(sequences=[frames[:most] for frames in dataset.test.sequences], labels=dataset.test.labels)
    answered = {name: _answers(graph, ways[name])[np.argsort(orders[name])] for name in ("fixed", "sorted")}
    return {
        "ratio": {name: ratio(seconds[name], seconds["sorted"]).median for name in ("fixed", "in_order", "alone")},
        "equal_ratio": ratio(equals["fixed"], equals["sorted"]).median,
        "padding": {name: _padding(batches) for name, batches in ways.items()},
        "other_answers": int((answered["fixed"] != answered["sorted"]).any(axis=1).sum()),
        "accuracy": measure(graph, dataset.test).ratio,
        "cut_accuracy": measure(graph, shorter).ratio,
    }


def _seconds(graph: Graph, ways: dict[str, _Batches], trial: Trial) -> dict[str, list[float]]:
    calls = {name: partial(_answers, graph, batches) for name, batches in ways.items()}
    return in_turns(calls, rounds=trial.count(40, 20), repeats=3, seed=trial.seed)


def _batches(split: Split, order: npt.NDArray[np.int64], frames: int) -> _Batches:
    """Return batches in an order, padded to `frames`; 0: to the longest of each."""
    made = []
    for first in range(0, len(order), _BATCH):
        chosen = [split.sequences[index] for index in order[first : first + _BATCH]]
        padded_BTC = np.zeros((len(chosen), frames or max(map(len, chosen)), chosen[0].shape[1]), np.float32)
        for row_TC, sequence in zip(padded_BTC, chosen, strict=True):
            row_TC[: len(sequence)] = sequence
        made.append((padded_BTC, [len(sequence) for sequence in chosen]))
    return made


def _answers(graph: Graph, batches: _Batches) -> npt.NDArray[np.float32]:
    """Return the answers at the last frames [sequences, K], in the order of the batches."""
    found = []
    for frames_BTC, lengths in batches:
        outputs_BTK, _ = graph.run(frames_BTC, lengths, graph.zero_states(len(lengths)))
        found.append(outputs_BTK[np.arange(len(lengths)), np.array(lengths) - 1])
    return np.concatenate(found)


def _padding(batches: _Batches) -> float:
    """Return the share of computed frames that are padding."""
    frames: int = sum(frames_BTC.shape[0] * frames_BTC.shape[1] for frames_BTC, _ in batches)
    return 1 - sum(sum(lengths) for _, lengths in batches) / frames


def _judge(measured: Sequence[Measured]) -> Judgement:
    times = {
        name: statistics.mean(f"{name}_ratio", [each["ratio"][name] for each in measured], "×")
        for name in ("fixed", "in_order", "alone")
    }
    key, other = times.pop("fixed"), sum(each["other_answers"] for each in measured)
    if other or statistics.below(key, _SLOWER):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif statistics.above(key, _SLOWER):
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    equal = statistics.mean("equal_ratio", [each["equal_ratio"] for each in measured], "×")
    padding = [
        statistics.mean(f"{name}_padding", [each["padding"][name] for each in measured])
        for name in ("fixed", "in_order", "sorted")
    ]
    cut = statistics.difference(
        "cut", [each["accuracy"] for each in measured], [each["cut_accuracy"] for each in measured]
    )
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=key,
        control=Control(figure=equal, held=statistics.below(equal, _SLOWER) and statistics.above(equal, 1 / _SLOWER)),
        figures=[*times.values(), *padding, cut, Figure(name="other_answers", value=other)],
    )


CLAIM = Claim(number=25, measure=_measure, judge=_judge, needs=_needs, alone=True)
