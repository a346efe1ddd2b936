"""Owns the held-out accuracy of an exported file: what a client gets who sends one whole sequence at a time."""

from __future__ import annotations

from models.data import Split
from service.engine.graph import Graph
from soloist.v1.model_pb2 import Accuracy


def measure(graph: Graph, split: Split) -> Accuracy:
    """Ask for every sequence of a split by itself; the answer is the top class at its last frame."""
    correct = 0
    for frames, label in zip(split.sequences, split.labels, strict=True):
        outputs, _ = graph.run(frames[None], [len(frames)], graph.zero_states(1))
        correct += int(outputs[0, -1].argmax() == label)
    return Accuracy(sequences=len(split), correct=correct, ratio=correct / len(split))
