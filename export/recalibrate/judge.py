"""Looks at one version through the sequences that it is judged by: what its probe says, and what it answers.

Shape suffixes: N sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError
from export.recalibrate.improvement import LayerSample
from service.engine.runner import Row
from service.loading.servable import LoadPolicy, Servable, load_servable
from service.observers.skew import Moments

if TYPE_CHECKING:
    from pathlib import Path

_POLICY = LoadPolicy(batch_uncertified=False, certify_seconds=0)


def open_version(repository: Path, name: str, version: int) -> Servable:
    """Open a version as a server does. Raises ExportError for one that has no probe of running statistics."""
    servable = load_servable(repository / name / str(version) / "model.onnx", _POLICY, name=name, version=version)
    if servable.probe is None or not any(layer.HasField("reference") for layer in servable.manifest.probe.layers):
        why = servable.probe_fault or "no layer with running statistics is probed"
        raise ExportError(f"{name} version {version} can't be judged: {why}")
    return servable


def probed(servable: Servable, sequences: Sequence[NDArray[Any]]) -> list[LayerSample]:
    """Run its probe over whole sequences, each alone: a sample for every layer with running statistics."""
    assert servable.probe is not None  # noqa: S101 — open_version sees to it
    runs = [servable.probe.run(each[None], [len(each)], servable.runner.initial_states()) for each in sequences]
    return [
        LayerSample(
            frames=np.array([len(each) for each in sequences], np.float64),
            total=np.concatenate([run[layer.name][0] for run in runs]),
            squares=np.concatenate([run[layer.name][1] for run in runs]),
            reference=Moments.from_message(layer.reference),
            eps=layer.eps,
        )
        for layer in servable.manifest.probe.layers
        if layer.HasField("reference")
    ]


def right(servable: Servable, sequences: Sequence[NDArray[Any]], labels_N: NDArray[Any]) -> NDArray[Any]:
    """Return for each sequence whether the top class at its last frame is its label [N]."""
    found_N: NDArray[Any] = top_classes(servable, sequences) == labels_N
    return found_N


def top_classes(servable: Servable, sequences: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the top class at the last frame of each sequence [N]."""
    states = servable.runner.initial_states()
    answers = [
        servable.runner.run_rows([Row(frames=each, states=states)])[0].outputs[-1].argmax() for each in sequences
    ]
    return np.array(answers, np.int64)
