"""Whether an answer depends on the sequences that share its batch: claim 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.batch_independence.answers import (
    ARCHITECTURES,
    CONTROL,
    Array,
    Distance,
    alone,
    distance,
    draw,
    every_other_louder,
    needs,
    runs,
    together,
    total,
)
from claims.served import Repository, at_once, one_by_one
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.data import load
from service.engine.graph import Graph
from service.engine.runner import Runner

_SIZES = (2, 3, 4, 8, 16, 32, 64)
_LOUD = np.float32(100)
_ROUNDING = 1e-5  # of logits of about 1: more isn't rounding of float32
_LAYER, _CURRENT, _DYNAMIC = "layer", "batch_current", "int8-dynamic"
_KINDS = (_LAYER, _CURRENT, _DYNAMIC)
_PATHS = ("engine", "grpc")


def _measure(trial: Trial) -> Measured:
    repository = Repository(folder=trial.scratch / "models")
    graphs = _exported(trial, repository)
    asked = {name: draw(load(name.split("-")[0]).test, trial.count(64, 24), trial.seed) for name in graphs}
    rng = np.random.default_rng(trial.seed)
    figures: Measured = {"engine": {}, "grpc": {}, "batch_size": {}}
    for name, graph in graphs.items():
        figures["engine"][name] = _in_engine(Runner(graph), asked[name], rng, trial.count(16, 4))
    with repository.server() as target:
        for name in graphs:
            quiet = one_by_one(target, name, asked[name])
            loud = at_once(target, name, every_other_louder(asked[name], _LOUD))
            figures["grpc"][name] = distance(quiet.outputs[::2], loud.outputs[::2])
            figures["batch_size"][name] = loud.batch_size
    return figures


def _exported(trial: Trial, repository: Repository) -> dict[str, Graph]:
    graphs = {}
    for name, run in runs(_LAYER, ARCHITECTURES, trial.seed, trial.quick).items():
        data = run.data()
        graphs[name] = repository.add(name, trial.trained(run).checkpoint, data)
        as_dynamic = f"{name}-{_DYNAMIC}"
        graphs[as_dynamic] = repository.quantise(name, as_dynamic, "dynamic", data)
    for name, run in runs("batch", [CONTROL], trial.seed, trial.quick).items():
        as_current = name.replace("batch", _CURRENT)
        graphs[as_current] = repository.add(as_current, trial.trained(run).checkpoint, run.data(), norm=_CURRENT)
    return graphs


def _in_engine(
    runner: Runner, sequences: Sequence[Array], rng: np.random.Generator, asked: int
) -> dict[str, dict[str, Distance]]:
    """Return the distance from answers alone, by size of the batch: with ordinary mates, reordered, with loud mates."""
    expected = alone(runner, sequences)
    found: dict[str, dict[str, Distance]] = {"ordinary": {}, "reordered": {}, "loud": {}}
    for size in _SIZES:
        found["ordinary"][str(size)] = _in_batches(runner, sequences, expected, np.arange(len(sequences)), size)
        found["reordered"][str(size)] = _in_batches(runner, sequences, expected, rng.permutation(len(sequences)), size)
        mates = [sequences[index] * _LOUD for index in rng.choice(len(sequences), size - 1)]
        loud = [together(runner, [frames, *mates])[0] for frames in sequences[:asked]]
        found["loud"][str(size)] = distance(expected[:asked], loud)
    return found


def _in_batches(
    runner: Runner, sequences: Sequence[Array], expected: Sequence[Array], order: Array, size: int
) -> Distance:
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    return total(
        [
            distance([expected[index] for index in batch], together(runner, [sequences[index] for index in batch]))
            for batch in batches
        ]
    )


def _judge(measured: Sequence[Measured]) -> Judgement:
    seeds = {kind: [_of_kind(each, kind) for each in measured] for kind in _KINDS}
    all_seeds = {kind: total(found) for kind, found in seeds.items()}
    layer = all_seeds[_LAYER]
    if layer["differing"] == 0:
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif layer["absolute"] < _ROUNDING:
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.REFUTED, "refuted"
    share = {
        kind: statistics.mean(kind.replace("-", "_"), [each["differing"] / each["compared"] for each in found])
        for kind, found in seeds.items()
    }
    key = statistics.mean("differing", [each["differing"] for each in seeds[_LAYER]], "outputs")
    # In either path, or one in which nothing shares a run would go unnoticed.
    paths = [_of_path(each, path, kind) for each in measured for path in _PATHS for kind in (_CURRENT, _DYNAMIC)]
    held = all(each["absolute"] > _ROUNDING for each in paths)
    sizes = [size for each in measured for name, size in each["batch_size"].items() if name.endswith(_LAYER)]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=key,
        control=Control(figure=share[_CURRENT], held=held),
        figures=[share[_DYNAMIC], statistics.mean("batch_size", sizes)],
        chart=_chart(measured),
        values={
            "compared": layer["compared"],
            "absolute": layer["absolute"],
            "dynamic_absolute": all_seeds[_DYNAMIC]["absolute"],
            "dynamic_flipped": all_seeds[_DYNAMIC]["flipped"],
            "dynamic_asked": all_seeds[_DYNAMIC]["asked"],
        },
    )


def _of_kind(measured: Measured, kind: str) -> Distance:
    return total([_of_path(measured, path, kind) for path in _PATHS])


def _of_path(measured: Measured, path: str, kind: str) -> Distance:
    found = [each for name, each in measured[path].items() if name.endswith(kind)]
    if path == "grpc":
        return total(found)
    return total([each for cases in found for sizes in cases.values() for each in sizes.values()])


def _chart(measured: Sequence[Measured]) -> Chart:
    """Plot the largest difference with loud mates by size of the batch."""
    series = []
    for kind in _KINDS:
        largest = [
            max(
                cases["loud"][str(size)]["absolute"]
                for each in measured
                for name, cases in each["engine"].items()
                if name.endswith(kind)
            )
            for size in _SIZES
        ]
        series.append(Series(name=kind, y=largest))
    return Chart(x_label="sequences in the batch", y_label="largest difference", x=_SIZES, series=series, log_x=True)


CLAIM = Claim(number=5, measure=_measure, judge=_judge, needs=needs)
