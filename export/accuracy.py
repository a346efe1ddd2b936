"""What an exported file answers to whole sequences, each asked by itself as a client does, and its accuracy.

Shape suffixes: N sequences, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import Split
from service.engine.graph import Graph
from soloist.v1.model_pb2 import Accuracy


def answers(graph: Graph, split: Split) -> npt.NDArray[Any]:
    """Ask for every sequence of a split by itself; return the outputs at its last frame: [N, K]."""
    rows = []
    for frames in split.sequences:
        outputs, _ = graph.run(frames[None], [len(frames)], graph.zero_states(1))
        rows.append(outputs[0, -1])
    return np.stack(rows)


def measure(graph: Graph, split: Split) -> Accuracy:
    """Count the sequences whose top class is right."""
    correct = int((answers(graph, split).argmax(axis=1) == split.labels).sum())
    return Accuracy(sequences=len(split), correct=correct, ratio=correct / len(split))
