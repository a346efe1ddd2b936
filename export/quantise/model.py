"""The steps from an exported float32 model to an int8 one: transform, lint, compare, measure, certify, write."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from export import accuracy, artifact, calibration, repository
from export.certification import read_model
from export.errors import ExportError
from export.parity import chunked
from export.parity_cases import cases
from export.quantise.dynamic import dynamic
from export.quantise.static import static
from export.quantise.weights import weights
from export.steps import OnStep
from models.data import Dataset, Split
from service.certificate.difference import max_scaled
from service.engine.graph import Graph
from service.engine.model_file import ModelFileError
from service.engine.probe import FILE as PROBE
from service.engine.session import open_session
from soloist.v1.model_pb2 import Model, Parity, Signature, TensorParity

Method = Literal["static", "weights", "dynamic"]
METHODS: tuple[Method, ...] = ("static", "weights", "dynamic")
STEPS = ("quantising", "comparing with float32", "measuring accuracy", "certifying", "writing")
_SOURCE = "float32"
_FORMS: dict[Method, Callable[[onnx.ModelProto, Signature, Split], onnx.ModelProto]] = {
    "static": static,
    "weights": weights,
    "dynamic": dynamic,
}


def precision(method: Method) -> str:
    """Return a method's arithmetic as manifests call it: "int8-static"."""
    return f"int8-{method}"


def quantise_model(
    source: Path,
    folder: Path,
    *,
    method: Method,
    dataset: Dataset,
    name: str,
    version: int,
    progress: OnStep | None = None,
) -> Model:
    """Write the int8 form of `source`, a model.onnx of ours, to `<folder>/<name>/<version>`, and return its manifest.

    `dataset` is the one it was trained on: its training split calibrates, its held-out split measures. The parity in
    the manifest is the distance from `source`. "dynamic" gives a control. Raises ExportError, and writes nothing, when
    the place is taken, the source isn't a float32 model trained on these data, or the graph is not in the form that
    keeps bits.
    """
    tell = progress or (lambda _step: None)
    repository.check_place(folder, name, version)
    described = _read(source, dataset)
    described.name, described.version, described.precision = name, version, precision(method)
    described.control = described.control or method == "dynamic"
    # An int8 product stands in another form than a Scan's body alone can have.
    described.one_step_sha256 = ""
    probe = _probe(source, described)
    tell(STEPS[0])
    graph = _quantised(source, method, described.signature, dataset.train)
    if not described.control:
        artifact.refuse_by_lint(graph)
    before, after = _opened(source, graph, described.signature)
    tell(STEPS[1])
    described.parity.CopyFrom(measure_deviation(before, after, dataset.train, causal=described.causal))
    tell(STEPS[2])
    described.accuracy.CopyFrom(accuracy.measure(after, dataset.test))
    seed = described.training.seed
    described.calibration.CopyFrom(calibration.measure(after, dataset, described.architecture, seed))
    tell(STEPS[3])
    artifact.certify(graph, described, dataset.train)
    tell(STEPS[4])
    artifact.write(folder, graph, described, probe=probe)
    return described


def _opened(source: Path, graph: onnx.ModelProto, form: Signature) -> tuple[Graph, Graph]:
    try:
        return Graph(open_session(source), form), Graph(open_session(graph.SerializeToString(deterministic=True)), form)
    except ModelFileError as error:
        raise ExportError(f"{source}: {error}") from error


def _read(source: Path, dataset: Dataset) -> Model:
    described = read_model(source)
    if described.precision not in ("", _SOURCE):
        raise ExportError(f"{source} is {described.precision} already: quantise the float32 model")
    if described.provenance.data_sha256 != dataset.sha256:
        raise ExportError(f"{source} was trained on other data than this {dataset.name}")
    return described


def _probe(source: Path, described: Model) -> bytes | None:
    """Return the float32 model's probe: it looks at that one's layers from the variant's states. A control has none."""
    if described.control or not described.HasField("probe"):
        described.ClearField("probe")
        return None
    try:
        return source.with_name(PROBE).read_bytes()
    except OSError as error:
        raise ExportError(f"{source.with_name(PROBE)}: {error.strerror}") from error


def _quantised(source: Path, method: Method, signature: Signature, train: Split) -> onnx.ModelProto:
    model = onnx.load(source)
    del model.metadata_props[:]
    graph = _FORMS[method](model, signature, train)
    del graph.metadata_props[:]
    return graph


def measure_deviation(source: Graph, quantised: Graph, split: Split, *, causal: bool) -> Parity:
    """Run both over the same lengths, batches and cuts. Nothing bounds the difference: it is reported, not judged."""
    largest: dict[str, float] = {}
    count = 0
    for case in cases(split, np.random.default_rng(0), causal=causal):
        expected, found = chunked(source, case), chunked(quantised, case)
        for name, value in expected.items():
            largest[name] = max(largest.get(name, 0.0), max_scaled(value, found[name]))
        count += 1
    tensors = [TensorParity(name=name, max_abs_difference=value) for name, value in largest.items()]
    return Parity(max_abs_difference=max(largest.values()), bound=math.inf, cases=count, tensors=tensors)
