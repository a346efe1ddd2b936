"""One seed: every model under every shift, its accuracy and what each estimator says of it.

Shape suffixes: N sequences, T time, C channels, F features of a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from claims.accuracy_estimates.estimators import ESTIMATORS, Answers, Labelled
from claims.accuracy_estimates.input_drift import InputDrift
from claims.onnx_graph import graph_of
from claims.trained import make, training_run
from demo.monitoring.plan import OFFLINE_SHIFTS
from export.accuracy import answers
from models.data import Dataset, Split, load
from models.training import parts
from models.zoo import configuration
from service.engine.graph import Graph
from simulation.shifts import Classes, FrameShift, Lengths, MixShift

TASK = "digits"
MODELS = tuple(f"{architecture}-{norm}" for architecture in ("lstm", "tcn") for norm in ("layer", "batch"))
UNCHANGED = "none"
SHIFTS: dict[str, FrameShift | MixShift | None] = {
    **OFFLINE_SHIFTS,
    "shortest quarter": Lengths(most_quantile=0.25),
    "longest quarter": Lengths(least_quantile=0.75),
    "half the digits ×5": Classes(weights={str(digit): 5.0 for digit in range(5)}),
}
_NOISE_STREAM = 1_000  # of random numbers: noise is drawn anew for each seed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One model of one seed under one shift: accuracy, estimates by name, and whether the inputs have drifted."""

    seed: int
    model: str
    shift: str
    accuracy: float
    estimates: dict[str, float]
    drifted: bool


def measure(name: str, seed: int, checkpoints: Path, quick: bool) -> list[Outcome]:  # noqa: ARG001  # the job's name
    """Measure one seed, in a process of its own."""
    import torch

    torch.set_num_threads(1)
    data = load(TASK)
    found: list[Outcome] = []
    for model in MODELS[:2] if quick else MODELS:
        _, architecture, config = configuration(f"{TASK}-{model}")
        checkpoint = make(training_run(TASK, config, seed, quick=quick), checkpoints).checkpoint
        _, validation = parts(data, architecture, np.random.default_rng(seed))
        found += _of_model(model, graph_of(checkpoint.model()), data, validation, seed)
    return found


def _of_model(model: str, graph: Graph, data: Dataset, validation: Split, seed: int) -> Iterator[Outcome]:
    source = Labelled(**_answers(graph, validation), labels=validation.labels)
    window = len(data.test) // 4
    meter = InputDrift(data.train.sequences, data.test.sequences, window, np.random.default_rng(seed))
    for shift in SHIFTS:
        live = shifted(data.test, shift, data.spec.labels, seed)
        target = Answers(**_answers(graph, live))
        yield Outcome(
            seed=seed,
            model=model,
            shift=shift,
            accuracy=float((target.outputs.argmax(axis=1) == live.labels).mean()),
            estimates={name: estimate(source, target) for name, estimate in ESTIMATORS.items()},
            drifted=meter.is_beyond(live.sequences),
        )


def shifted(held_out: Split, name: str, labels: tuple[str, ...], seed: int) -> Split:
    """Apply a shift of SHIFTS in full; sequences that come more often are drawn, with replacement."""
    shift = SHIFTS[name]
    rng = np.random.default_rng([seed, _NOISE_STREAM])
    if isinstance(shift, MixShift):
        weights_N = shift.weighed(held_out, labels)
        return held_out.select(rng.choice(len(held_out), len(held_out), p=weights_N / weights_N.sum()))
    if shift is None:
        return held_out
    deviation_C = np.concatenate(held_out.sequences).std(axis=0, dtype=np.float64)
    sequences = [shift.applied(frames, 1.0, deviation_C, rng) for frames in held_out.sequences]
    return Split(sequences=sequences, labels=held_out.labels)


def _answers(graph: Graph, split: Split) -> dict[str, npt.NDArray[Any]]:
    features_NF = np.stack([_features(frames) for frames in split.sequences])
    return {"outputs": answers(graph, split).astype(np.float64), "features": features_NF}


def _features(frames_TC: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    x_TC = frames_TC.astype(np.float64)
    return np.concatenate([x_TC.mean(axis=0), x_TC.std(axis=0), [np.log(len(x_TC))]])
