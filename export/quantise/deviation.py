"""Owns how far a quantised model is from the float32 file it was made from, over the cases of an export's parity."""

from __future__ import annotations

import math

import numpy as np

from export.parity import chunked
from export.parity_cases import cases
from models.data import Split
from service.certificate.difference import max_scaled
from service.engine.graph import Graph
from soloist.v1.model_pb2 import Parity, TensorParity


def measure(source: Graph, quantised: Graph, split: Split, *, causal: bool) -> Parity:
    """Run both over the same lengths, batches and cuts. Nothing bounds the difference: it is told, not judged."""
    largest: dict[str, float] = {}
    count = 0
    for case in cases(split, np.random.default_rng(0), causal=causal):
        expected, found = chunked(source, case), chunked(quantised, case)
        for name, value in expected.items():
            largest[name] = max(largest.get(name, 0.0), max_scaled(value, found[name]))
        count += 1
    tensors = [TensorParity(name=name, max_abs_difference=value) for name, value in largest.items()]
    return Parity(max_abs_difference=max(largest.values()), bound=math.inf, cases=count, tensors=tensors)
