"""Calibration: the range of every activation that enters a product, over training sequences.

Sequences run one at a time, so no padding exists that could enter a range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from export.errors import ExportError
from export.quantise.scope import Array, scopes
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist.v1.model_pb2 import Signature

MOST_SEQUENCES = 256  # evenly spread over the training split


@dataclass(frozen=True, kw_only=True)
class Range:
    """Least and largest value; both lie around 0, which is what padding and empty rows hold."""

    low: float = 0.0
    high: float = 0.0

    def over(self, values: Array) -> Range:
        """Widen it to `values`."""
        return Range(low=min(self.low, float(values.min())), high=max(self.high, float(values.max())))


# A tensor inside a model: the path of its graph, and its name there.
Place = tuple[str, str]


def calibrate(
    model: onnx.ModelProto, signature: Signature, places: Iterable[Place], sequences: Sequence[Array]
) -> dict[Place, Range]:
    """Run training sequences, each alone and whole, and return the range of each tensor in `places`.

    Raises ExportError when a tensor holds NaN or infinity.
    """
    observed, names = _observed(model, set(places))
    graph = Graph(open_session(observed.SerializeToString()), signature, results=list(names.values()))
    ranges = dict.fromkeys(names, Range())
    for index in np.linspace(0, len(sequences) - 1, min(MOST_SEQUENCES, len(sequences)), dtype=int):
        frames = sequences[index]
        results = graph.evaluate(frames[None], [len(frames)], graph.zero_states(1))
        ranges = {place: ranges[place].over(results[name]) for place, name in names.items()}
    if faults := [name for (_, name), found in ranges.items() if not np.isfinite([found.low, found.high]).all()]:
        raise ExportError(f"no finite range over the training data: {', '.join(faults)}")
    return ranges


def _observed(model: onnx.ModelProto, places: set[Place]) -> tuple[onnx.ModelProto, dict[Place, str]]:
    """Return a copy that gives the tensors as outputs too, those in a Scan stacked over its steps; and the names."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    names: dict[Place, str] = {}
    for scope in list(scopes(copy.graph)):
        for place in sorted(place for place in places if place[0] == scope.path):
            name = names[place] = f"observed.{len(names)}"
            inside = f"{name}.inside" if scope.owners else name
            # Not the tensor itself: a body's input can be no output of it.
            scope.graph.node.add(op_type="Identity", input=[place[1]], output=[inside])
            _give(scope.graph, inside)
            if scope.owners:
                _give_from_scan(scope.owners[0], name)
                _give(copy.graph, name)
    return copy, names


def _give(graph: onnx.GraphProto, name: str) -> None:
    graph.output.add(name=name).type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def _give_from_scan(scan: onnx.NodeProto, name: str) -> None:
    scan.output.append(name)
    for attribute in scan.attribute:
        if attribute.name in ("scan_output_axes", "scan_output_directions"):
            attribute.ints.append(0)
