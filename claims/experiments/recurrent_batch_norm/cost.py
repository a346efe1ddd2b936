"""What statistics of each step cost in time and memory: claim 26.

Processor time of the engine's thread, in turns: what else the machine does counts little.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from claims import statistics
from claims.claim import Claim, Measured
from claims.experiments.recurrent_batch_norm import serving_statistics
from claims.experiments.recurrent_batch_norm.lengths import CUTS, run
from claims.trained import TrainingRun
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.cost.stopwatch import in_turns, ratio
from export.fold import fold
from export.graph import trace
from export.one_step import has_scan, one_step
from export.signature import signature
from models.config import LSTMConfig
from models.data import load
from models.training import Checkpoint
from service.engine.graph import Graph
from service.engine.session import open_session

_LONGEST = CUTS["thirty"]
_SLOWER = 1.05  # a smaller ratio is no cost that anyone would notice
_SHARE = 0.01  # nor is a smaller share of the model's bytes
_FLOAT_BYTES = 4
_LENGTHS = {"step": 1, "sequence": _LONGEST}


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [run(norm, _LONGEST, seed, quick=quick) for norm in ("batch_step", "layer")]


def _measure(trial: Trial) -> Measured:
    table, layer = (trial.trained(each).checkpoint for each in _needs(trial.seed, trial.quick))
    shared = serving_statistics.time_mean(table)
    served = {"each_step": table, "shared": shared, "again": shared, "layer": layer}
    files = {name: _files(checkpoint) for name, checkpoint in served.items()}
    graphs = {name: _graph(checkpoint, files[name]) for name, checkpoint in served.items()}
    frames = max(load("digits").test.sequences, key=len)[None, :_LONGEST]
    figures: Measured = {}
    for name, length in _LENGTHS.items():
        calls = {
            which: partial(graph.run, frames[:, :length], [length], graph.zero_states(1))
            for which, graph in graphs.items()
        }
        seconds = in_turns(calls, rounds=trial.count(60, 15), repeats=trial.count(30, 10), seed=trial.seed)
        figures[name] = {
            "ratio": ratio(seconds["each_step"], seconds["shared"]).median,
            "layer_ratio": ratio(seconds["each_step"], seconds["layer"]).median,
            "same_ratio": ratio(seconds["again"], seconds["shared"]).median,
        }
    # The same table with one row more: what a step takes, without what a file has beside it.
    row_bytes = len(_files(serving_statistics.mean_beyond(table))[0]) - len(files["each_step"][0])
    known = int(table.weights["body.layers.0.input_norm.known"])
    return {
        **figures,
        "row_bytes": row_bytes,
        "steps": known,
        "file_bytes": len(files["each_step"][0]),
        **_formula(table),
    }


def _formula(checkpoint: Checkpoint) -> dict[str, int]:
    """Return the bytes of a step as the formula has them: two numbers a gate and normaliser."""
    if not isinstance(checkpoint.config, LSTMConfig):
        raise TypeError("only an LSTM has statistics of each step")
    normalisers = 2 * checkpoint.config.layers  # of the input and of the recurrent path
    return {"formula_bytes": 2 * 4 * checkpoint.config.hidden * normalisers * _FLOAT_BYTES}


def _files(checkpoint: Checkpoint) -> tuple[bytes, bytes]:
    """Return the graph as it is served, and the one for chunks of one frame, where there is one."""
    traced = trace(fold(checkpoint.model())[0])
    single = one_step(traced).SerializeToString(deterministic=True) if has_scan(traced) else b""
    return traced.SerializeToString(deterministic=True), single


def _graph(checkpoint: Checkpoint, files: tuple[bytes, bytes]) -> Graph:
    whole, single = files
    described = signature(checkpoint.model())
    return Graph(open_session(whole), described, one_step=open_session(single) if single else None)


def _judge(measured: Sequence[Measured]) -> Judgement:
    times = {name: _mean(f"{name}_ratio", [each[name]["ratio"] for each in measured]) for name in _LENGTHS}
    share = statistics.mean("share", [each["row_bytes"] * each["steps"] / each["file_bytes"] for each in measured])
    costs = [statistics.above(figure, _SLOWER) for figure in times.values()] + [statistics.above(share, _SHARE)]
    free = [statistics.below(figure, _SLOWER) for figure in times.values()] + [statistics.below(share, _SHARE)]
    if all(costs):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif all(free):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif any(costs):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    same = _mean("same_ratio", [each["sequence"]["same_ratio"] for each in measured])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=times["sequence"],
        control=Control(figure=same, held=statistics.below(same, _SLOWER) and statistics.above(same, 1 / _SLOWER)),
        figures=[times["step"], share, *_bytes(measured), *_layer(measured)],
    )


def _bytes(measured: Sequence[Measured]) -> list[Figure]:
    return [
        statistics.mean(name, [each[key] for each in measured], "bytes")
        for name, key in (("row", "row_bytes"), ("formula", "formula_bytes"))
    ]


def _layer(measured: Sequence[Measured]) -> list[Figure]:
    return [_mean(f"layer_{name}", [each[name]["layer_ratio"] for each in measured]) for name in _LENGTHS]


def _mean(name: str, values: Sequence[float]) -> Figure:
    return statistics.mean(name, values, "×")


CLAIM = Claim(number=26, measure=_measure, judge=_judge, needs=_needs, alone=True)
