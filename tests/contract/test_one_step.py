"""A recurrence without its Scan gives the Scan's bits for single steps, alone and in batches."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.certification import read_model
from export.lint import lint_model
from export.one_step import branched
from export.one_step_cost import BRANCHED, NORMS, ONE_STEP, SCAN, forms, inputs
from service.engine.graph import Graph
from service.engine.model_file import ModelFileError
from service.engine.one_step import FILE, open_graph
from service.engine.session import open_session


@pytest.mark.parametrize("norm", NORMS)
def test_one_step_has_the_bits_of_a_scan(norm: str) -> None:
    graphs = forms(norm, 13)
    for rows in (1, 2, 3, 8, 17, 32):
        fed = inputs(graphs[SCAN], rows, 1)
        outputs, states = graphs[SCAN].run(*fed)
        for form in (ONE_STEP, BRANCHED):
            found, following = graphs[form].run(*fed)
            assert outputs.tobytes() == found.tobytes()
            assert all(state.tobytes() == following[name].tobytes() for name, state in states.items())


@pytest.fixture
def exported(repository: Path, tmp_path: Path) -> Path:
    """Copy an exported model with a normaliser inside its recurrence."""
    return Path(shutil.copytree(repository / "vowels-lstm-layer" / "1", tmp_path / "1")) / "model.onnx"


def test_an_exported_recurrence_comes_with_its_one_step_file(exported: Path) -> None:
    model = read_model(exported)
    both, whole = open_graph(exported, model), Graph(open_session(exported), model.signature)
    one = Graph(open_session(exported.with_name(FILE)), model.signature)
    frames = np.random.default_rng(0).normal(size=(5, 1, 12)).astype(np.float32)
    answers = [graph.run(frames, [1] * 5, graph.zero_states(5)) for graph in (both, whole, one)]
    assert {outputs.tobytes() for outputs, _ in answers} == {answers[0][0].tobytes()}
    assert all(len({states[name].tobytes() for _, states in answers}) == 1 for name in answers[0][1])


def test_a_missing_one_step_file_is_refused_at_load(exported: Path) -> None:
    exported.with_name(FILE).unlink()
    with pytest.raises(ModelFileError, match=r"one_step\.onnx"):
        open_graph(exported, read_model(exported))


def test_a_one_step_file_of_another_model_is_refused_at_load(exported: Path) -> None:
    exported.with_name(FILE).write_bytes(exported.read_bytes())
    with pytest.raises(ModelFileError, match="belongs to this model"):
        open_graph(exported, read_model(exported))


def test_a_model_without_a_scan_has_no_one_step_file(repository: Path) -> None:
    path = repository / "vowels-tcn-layer" / "1" / "model.onnx"
    assert not read_model(path).one_step_sha256
    assert not path.with_name(FILE).exists()


def test_lint_names_a_scan_inside_an_if(repository: Path) -> None:
    model = onnx.load(repository / "vowels-lstm-layer" / "1" / "model.onnx")
    assert lint_model(model) == []
    assert {finding.rule for finding in lint_model(branched(model))} == {"weight-nested"}
