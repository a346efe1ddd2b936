"""The search for the node at which a failing case parts from the reference, in order of execution.

The graph is the optimised one, as the server runs it, with every node's result as an output. Subgraphs (Scan, Loop, If)
count as one node. Results that can't be laid side by side (their shapes depend on more than rows and frames) and
indices are passed over.

Shapes: B rows, T frames.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.constants import names_read
from service.certificate.cases import Case
from service.certificate.difference import difference
from service.certificate.sequence_generator import SequenceGenerator
from service.certificate.trial import Run, runs
from service.engine.graph import Graph
from service.engine.onnx_runtime import ort
from service.engine.session import session_options
from soloist.v1.model_pb2 import Signature

Array = npt.NDArray[Any]


def first_diverging_node(
    path: Path, signature: Signature, generator: SequenceGenerator, case: Case
) -> tuple[str, str] | None:
    """Return (name, operator) of the first node whose values differ; None when none is found."""
    with tempfile.TemporaryDirectory() as folder:
        graph = onnx.load(_optimised(path, Path(folder) / "optimised.onnx"))
        session = _observed(graph, Path(folder) / "observed.onnx")
    wanted = [output.name for output in session.get_outputs() if output.type in _COMPARED]
    reference, *varied = runs(Graph(session, signature, results=wanted), generator, case)
    places = {name: index for index, node in enumerate(graph.graph.node) for name in node.output}
    for run in varied:
        differing = [name for name in wanted if _differs(name, reference, run)]
        if differing:
            first = min(differing, key=lambda name: places.get(name, len(places)))
            return _named(graph, first)
    return None


# int64 are shapes and indices, which differ wherever the batch does.
_COMPARED = {f"tensor({kind})" for kind in ("float", "double", "float16", "uint8", "int8", "int32")}


def _optimised(path: Path, place: Path) -> Path:
    options = session_options()
    options.optimized_model_filepath = str(place)
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return place


def _observed(graph: onnx.ModelProto, place: Path) -> ort.InferenceSession:
    observed = onnx.ModelProto()
    observed.CopyFrom(graph)
    known = {output.name for output in observed.graph.output}
    # What nobody reads may differ: a Scan's last carry has seen the padding, and no answer comes of it.
    read = names_read(observed.graph.node) - known
    for node in observed.graph.node:
        for name in read.intersection(node.output):
            observed.graph.output.add(name=name)
    onnx.save(observed, place)
    options = session_options()
    # Optimised already; once more, and nodes whose results are asked for would no longer be fused.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(place, options, providers=["CPUExecutionProvider"])


def _differs(name: str, reference: Run, run: Run) -> bool:
    expected, found = reference.results[name], run.results[name]
    laid = _side_by_side(expected, found, reference, run)
    return laid is not None and difference(name, *laid) is not None


def _side_by_side(expected: Array, found: Array, reference: Run, run: Run) -> tuple[Array, Array] | None:
    """Cut both down to the row under test and the frames of its chunk; None where shapes don't tell these."""
    if expected.ndim != found.ndim:
        return None
    row_seen = run.rows == 1
    for axis in range(expected.ndim):
        whole, part = expected.shape[axis], found.shape[axis]
        if not row_seen and whole == 1 and part == run.rows:
            row_seen = True
            found = np.take(found, [run.row], axis=axis)
        elif whole - reference.frames == part - run.frames >= 0:
            # frames, with a constant number of others in front of them
            kept = run.valid + part - run.frames
            expected = np.take(expected, np.arange(run.first, run.first + kept), axis=axis)
            found = np.take(found, np.arange(kept), axis=axis)
        elif whole != part:
            return None
    return expected, found


def _named(graph: onnx.ModelProto, result: str) -> tuple[str, str]:
    for node in graph.graph.node:
        if result in node.output:
            return node.name or result, node.op_type
    return result, ""
