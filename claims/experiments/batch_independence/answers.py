"""The models whose answers are compared, and how far two sets of answers are apart.

Shapes: T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from claims.trained import TrainingRun, training_run
from models.data import Split
from models.zoo import configuration
from service.certificate.difference import deviation
from service.engine.runner import Row, Runner

Array = npt.NDArray[Any]
Distance = dict[str, float]  # as JSON
ARCHITECTURES = ("lstm", "tcn", "transformer")
CONTROL = "tcn"  # trained with BatchNorm, and served with the statistics of the batch at hand
_TASKS = ("vowels", "digits")


def runs(norm: str, architectures: Sequence[str], seed: int, quick: bool) -> dict[str, TrainingRun]:
    """Return the training runs of a normaliser by name; the names are those that they are served by, too."""
    tasks = _TASKS[:1] if quick else _TASKS
    names = [f"{task}-{architecture}-{norm}" for task in tasks for architecture in architectures]
    return {
        name: training_run(task, config, seed, quick=quick)
        for name in names
        for task, _, config in [configuration(name)]
    }


def needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    """Return the runs with LayerNorm, and those of the control."""
    layer, batch = runs("layer", ARCHITECTURES, seed, quick), runs("batch", [CONTROL], seed, quick)
    return [*layer.values(), *batch.values()]


def draw(split: Split, count: int, seed: int) -> list[Array]:
    """Return `count` held-out sequences."""
    chosen = np.random.default_rng(seed).choice(len(split), min(count, len(split)), replace=False)
    return [split.sequences[index] for index in chosen]


def together(runner: Runner, sequences: Sequence[Array]) -> list[Array]:
    """Return the outputs [T, K] of each sequence, all in one run."""
    rows = [Row(frames=frames, states=runner.initial_states()) for frames in sequences]
    return [result.outputs for result in runner.run_rows(rows)]


def alone(runner: Runner, sequences: Sequence[Array]) -> list[Array]:
    """Return the outputs [T, K] of each sequence in a run of its own."""
    return [together(runner, [frames])[0] for frames in sequences]


def every_other_louder(sequences: Sequence[Array], factor: np.float32) -> list[Array]:
    """Return the sequences, those with odd numbers times a factor."""
    return [frames * factor if index % 2 else frames for index, frames in enumerate(sequences)]


def distance(expected: Sequence[Array], found: Sequence[Array]) -> Distance:
    """Return how many outputs have other bits, how far the furthest is off, and how many sequences change class."""
    apart = [deviation(one, other) for one, other in zip(expected, found, strict=True)]
    flipped = [one[-1].argmax() != other[-1].argmax() for one, other in zip(expected, found, strict=True)]
    return {
        "differing": sum(each.differing for each in apart),
        "compared": sum(each.compared for each in apart),
        "ulp": max(each.max_ulp for each in apart),
        "absolute": max(each.max_abs for each in apart),
        "flipped": int(sum(flipped)),
        "asked": len(expected),
    }


def total(found: Sequence[Distance]) -> Distance:
    """Return several distances as one."""
    summed = {name: sum(each[name] for each in found) for name in ("differing", "compared", "flipped", "asked")}
    return {**summed, **{name: max(each[name] for each in found) for name in ("ulp", "absolute")}}
