"""The certificate finds what it is there to find: each planted fault fails, and the node that causes it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from export.certification import certify_model, read_model
from service.certificate import Budget, is_bitwise
from service.certificate.cases import Case
from service.certificate.sequence_generator import SequenceGenerator
from service.certificate.trial import try_case
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist.cli.main import main
from soloist.v1 import certificate_pb2 as pb
from tests.contract.planted import FAULTS, sound

DIMENSIONS = {"batch": pb.DIMENSION_BATCH, "padding": pb.DIMENSION_PADDING, "chunking": pb.DIMENSION_CHUNKING}
BUDGET = Budget(seconds=60, max_cases=200)


def test_a_sound_graph_is_bitwise(tmp_path: Path) -> None:
    path = sound(tmp_path / "1" / "model.onnx")
    certificate = certify_model(path, read_model(path), BUDGET)
    assert is_bitwise(certificate, *DIMENSIONS.values())
    assert all(verdict.cases > 50 and not verdict.HasField("failing_case") for verdict in certificate.verdicts)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_its_node_named(tmp_path: Path, fault: str) -> None:
    make, operator, dimension = FAULTS[fault]
    path = make(tmp_path / "1" / "model.onnx")
    certificate = certify_model(path, read_model(path), BUDGET)
    (verdict,) = [verdict for verdict in certificate.verdicts if verdict.dimension == DIMENSIONS[dimension]]
    assert verdict.verdict in {pb.VERDICT_ULP, pb.VERDICT_NONE}
    assert verdict.failing_case.node.startswith("the_")
    assert operator in {"", verdict.failing_case.operator}


def test_the_smallest_failing_case_is_small_and_fails_again(tmp_path: Path) -> None:
    path = FAULTS["conv"][0](tmp_path / "1" / "model.onnx")
    model = read_model(path)
    certificate = certify_model(path, model, BUDGET)
    failing = {verdict.dimension: verdict.failing_case for verdict in certificate.verdicts}[pb.DIMENSION_CHUNKING]
    assert failing.length <= 4
    assert failing.batch_size == 1
    assert not failing.padding
    graph = Graph(open_session(path), model.signature)
    assert try_case(graph, SequenceGenerator(model.signature), Case.from_message(failing)) is not None


def test_the_same_seed_gives_the_same_certificate(tmp_path: Path) -> None:
    path = FAULTS["softplus"][0](tmp_path / "1" / "model.onnx")
    budget = Budget(seconds=60, max_cases=48)
    assert certify_model(path, read_model(path), budget) == certify_model(path, read_model(path), budget)


def test_the_command_tells_verdicts_by_its_exit_code(tmp_path: Path) -> None:
    good, bad = sound(tmp_path / "good" / "1" / "model.onnx"), FAULTS["conv"][0](tmp_path / "bad" / "1" / "model.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    runs = [
        CliRunner().invoke(main, ["certify", str(path), "--minutes", "0.01", "--json"]) for path in (good, bad, broken)
    ]
    assert [run.exit_code for run in runs] == [0, 1, 2], [run.output[-500:] for run in runs]
    verdicts = json.loads(runs[0].stdout)["verdicts"]
    assert {verdict["verdict"] for verdict in verdicts} == {"VERDICT_BITWISE"}
    assert "broken.onnx" in runs[2].stderr
