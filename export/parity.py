"""The comparison of an exported file with the PyTorch model it came from.

Shape suffixes: B batch, T time, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from export.errors import ExportError
from export.parity_cases import Case, cases
from models.data import Split
from models.zoo import SequenceModel
from service.certificate.difference import max_scaled
from service.engine.graph import Graph
from service.engine.row import States
from soloist.v1.model_pb2 import Parity, TensorParity

Array = npt.NDArray[Any]
# Rounding (float32, sums of a few hundred terms, layer upon layer) stays some ten times below this; a wrong gate order,
# epsilon, cut or fold lies far above. Every export records its own figure.
BOUND = 1e-4


def measure(model: SequenceModel, graph: Graph, split: Split, *, bound: float | None = None) -> Parity:
    """Compare over lengths, batches and cuts of real frames; the model in PyTorch always gets whole sequences.

    Raises ExportError, naming the tensors at fault, when any difference exceeds `bound` (default: BOUND).
    """
    model.eval()
    bound = BOUND if bound is None else bound
    largest: dict[str, float] = {}
    count = 0
    for case in cases(split, np.random.default_rng(0), causal=model.causal):
        expected, found = _torch(model, case), chunked(graph, case)
        for name, value in expected.items():
            largest[name] = max(largest.get(name, 0.0), max_scaled(value, found[name]))
        count += 1
    if faults := [f"{name} by {value:.3g}" for name, value in largest.items() if not value <= bound]:
        raise ExportError(f"ONNX Runtime differs from PyTorch by more than {bound:g}: {', '.join(faults)}")
    tensors = [TensorParity(name=name, max_abs_difference=value) for name, value in largest.items()]
    return Parity(max_abs_difference=max(largest.values()), bound=bound, cases=count, tensors=tensors)


def _torch(model: SequenceModel, case: Case) -> dict[str, Array]:
    states = model.initial_state(len(case.length))
    with torch.no_grad():
        outputs, following = model(torch.from_numpy(case.frames), torch.from_numpy(case.length), states)
    valid_BT = np.arange(case.frames.shape[1]) < case.length[:, None]
    tensors = {"outputs": outputs.numpy()[valid_BT]}
    return {**tensors, **{f"next.{name}": state.numpy() for name, state in following.items()}}


def chunked(graph: Graph, case: Case) -> dict[str, Array]:
    """Run a case chunk by chunk; the k-th chunks of all rows share a batch, each row at its own position."""
    states: States = graph.zero_states(len(case.length))
    rows: list[list[Array]] = [[] for _ in case.length]
    start = np.zeros_like(case.length)
    for length in case.chunks.T:
        index_BT = np.minimum(start[:, None] + np.arange(length.max()), case.frames.shape[1] - 1)
        frames = np.stack([row[index] for row, index in zip(case.frames, index_BT, strict=True)])
        outputs_BTK, states = graph.run(frames, length, states)
        for row, outputs_TK, valid in zip(rows, outputs_BTK, length, strict=True):
            row.append(outputs_TK[:valid])
        start = start + length
    tensors = {"outputs": np.concatenate([chunk for row in rows for chunk in row])}
    return {**tensors, **{f"next.{name}": state for name, state in states.items()}}
