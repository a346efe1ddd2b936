"""The accuracy of versions of a model by length of the sequence, served over gRPC, and whether that is the engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from claims.claim import Measured
from claims.experiments.recurrent_batch_norm.lengths import BEYOND, FURTHER, TWICE, buckets
from claims.experiments.recurrent_batch_norm.served import Logits, Repository, Version, alone, over_grpc, together
from claims.trial import Trial
from models.data import Split
from service.engine.graph import Graph

TOGETHER = "batch"  # the version whose answers depend on who shares the batch: each bucket is one


def measure(trial: Trial, longest: int, versions: Mapping[str, Version], *, quick: Sequence[str]) -> Measured:
    """Return the accuracy of each version in each bucket, and how many served answers are not those of the engine.

    All versions are exported, certified and served; of a quick trial only those named in `quick`. Of what is served the
    accuracy is that of the answers that came over gRPC.
    """
    splits = buckets(longest, trial)
    repository = Repository(folder=trial.scratch / f"models-{longest}")
    served = [name for name in versions if not trial.quick or name in quick]
    graphs = {
        name: repository.add(name, version) if name in served else version.graph() for name, version in versions.items()
    }
    engine = {name: alone(graph, splits) for name, graph in graphs.items()}
    accuracy = {name: _accuracy(answers, splits) for name, answers in engine.items()}
    other: dict[str, int] = {}
    with repository.client() as client:
        for name in served:
            answered = over_grpc(client, name, splits)
            other[name] = _different(answered, engine[name])
            accuracy[name] = _accuracy(answered, splits)
    accuracy |= _of_batches(graphs, splits)
    return {
        "accuracy": accuracy,
        "sequences": {name: len(split) for name, split in splits.items()},
        "other_answers": other,
        "not_certified": [name for name in served if not repository.certified(name)],
    }


def _of_batches(graphs: Mapping[str, Graph], splits: Mapping[str, Split]) -> dict[str, dict[str, float]]:
    """Return the accuracy where each bucket is one batch, of the version that it matters to."""
    return {
        name: _accuracy(together(graphs[TOGETHER], splits), splits) for name in ["batch_together"] if TOGETHER in graphs
    }


def _accuracy(answers: Mapping[str, Logits], splits: Mapping[str, Split]) -> dict[str, float]:
    right = {name: logits.argmax(axis=1) == splits[name].labels for name, logits in answers.items() if len(logits)}
    right[BEYOND] = np.concatenate([right[name] for name in (TWICE, FURTHER) if name in right])
    return {name: float(each.mean()) for name, each in right.items()}


def _different(first: Mapping[str, Logits], second: Mapping[str, Logits]) -> int:
    """Return how many answers differ in any bit."""
    return sum(int((first[name] != second[name]).any(axis=1).sum()) for name in second if len(second[name]))


def over_seeds(measured: Sequence[Measured], cut: str, version: str, bucket: str) -> list[float]:
    """Return the accuracy of a version in a bucket, seed by seed."""
    figures: list[dict[str, Any]] = [each[cut] for each in measured]
    return [each["accuracy"][version][bucket] for each in figures]


def other_answers(measured: Sequence[Measured]) -> int:
    """Return how many served answers are not the engine's, over everything."""
    return sum(sum(cut["other_answers"].values()) for each in measured for cut in each.values())
