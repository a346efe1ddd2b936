"""The promise in int8: static and weight-only forms keep it to the bit; the dynamic one, a control, does not."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.certification import certify_model
from export.fold import fold
from export.graph import trace
from export.lint import lint_model
from export.quantise.dynamic import dynamic
from export.quantise.static import static
from export.quantise.weights import weights
from export.signature import signature
from models.config import TaskSpec
from models.data import Split
from service.certificate import Budget, is_bitwise
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.model_pb2 import Model
from tests.contract.zoo_graphs import CAUSAL, NUMBERS, TOKENS, WHOLE_ONLY, untrained

FORMS = {"static": static, "weights": weights, "dynamic": dynamic}
CONFIGS = {**CAUSAL, **WHOLE_ONLY}
CASES = [
    *itertools.product(["static"], CAUSAL, ["none", "layer", "rms", "batch"]),
    *itertools.product(["weights"], CAUSAL, ["layer", "batch"]),
    *itertools.product(["static", "weights"], ["lstm-recurrent"], ["batch_step"]),
]
BUDGET = Budget(seconds=240, max_cases=150)  # all forms that are known to break, and some random ones
PROMISE = (pb.DIMENSION_BATCH, pb.DIMENSION_PADDING, pb.DIMENSION_CHUNKING)


def quantised(form: str, name: str, norm: str, task: TaskSpec, folder: Path) -> tuple[Path, Model, onnx.ModelProto]:
    model = untrained(task, dataclasses.replace(CONFIGS[name], norm=norm))
    graph = FORMS[form](trace(fold(model)[0]), signature(model), training(task))
    path = folder / "model.onnx"
    onnx.save(graph, path)
    return path, Model(signature=signature(model), causal=model.causal), graph


def training(task: TaskSpec) -> Split:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 40, 24)
    if task.frames == "tokens":
        return Split(sequences=[rng.integers(0, task.token_count, n) for n in lengths], labels=lengths % 2)
    frames = [rng.normal(size=(n, task.feature_count)).astype(np.float32) for n in lengths]
    return Split(sequences=frames, labels=lengths % 2)


@pytest.mark.parametrize(("form", "name", "norm"), CASES)
def test_the_certificate_is_bitwise(form: str, name: str, norm: str, tmp_path: Path) -> None:
    path, model, graph = quantised(form, name, norm, NUMBERS, tmp_path)
    assert lint_model(graph) == []
    assert is_bitwise(certify_model(path, model, BUDGET), *PROMISE)


@pytest.mark.parametrize("form", ["static", "weights"])
@pytest.mark.parametrize("name", ["lstm-recurrent", "tcn", "transformer-pre"])
def test_tokens_too(form: str, name: str, tmp_path: Path) -> None:
    path, model, graph = quantised(form, name, "layer", TOKENS, tmp_path)
    tables = [tensor for tensor in graph.graph.initializer if list(tensor.dims[:1]) == [TOKENS.token_count]]
    assert [tensor.data_type for tensor in tables] == [onnx.TensorProto.UINT8]
    assert is_bitwise(certify_model(path, model, BUDGET), *PROMISE)


@pytest.mark.parametrize("form", ["static", "weights"])
def test_an_encoder_keeps_its_bits_beside_others(form: str, tmp_path: Path) -> None:
    path, model, _ = quantised(form, "encoder", "layer", NUMBERS, tmp_path)
    assert is_bitwise(certify_model(path, model, BUDGET), pb.DIMENSION_BATCH)


@pytest.mark.parametrize("name", ["lstm-recurrent", "tcn", "transformer-pre"])
def test_dynamic_int8_breaks_it_in_every_dimension(name: str, tmp_path: Path) -> None:
    path, model, graph = quantised("dynamic", name, "layer", NUMBERS, tmp_path)
    assert {finding.rule for finding in lint_model(graph)} == {"dynamic-quantisation"}
    certificate = certify_model(path, model, Budget(seconds=120, max_cases=40))
    assert [verdict.verdict for verdict in certificate.verdicts] == [pb.VERDICT_NONE] * 3
    assert all("Dynamic" in verdict.failing_case.operator for verdict in certificate.verdicts)
