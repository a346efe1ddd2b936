"""From an exported model to its int8 variants and the table, by the commands."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from export import ExportError, export_checkpoint
from export.certification import read_model
from export.quantise import quantise_model
from models.config import TCNConfig
from models.data import Dataset, load
from models.training import train
from service.certificate import is_bitwise
from service.engine.probe import FILE, open_probe
from soloist.cli.main import main
from soloist.v1 import certificate_pb2 as pb

PROMISE = (pb.DIMENSION_BATCH, pb.DIMENSION_PADDING, pb.DIMENSION_CHUNKING)
NAME = "small"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("vowels")


@pytest.fixture(scope="module")
def repository(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    checkpoint = train(dataset, "tcn", TCNConfig(channels=24, blocks=2), seed=0, epochs=2)
    export_checkpoint(checkpoint, folder, name=NAME, version=1, dataset=dataset)
    for method in ("static", "dynamic"):
        result = CliRunner().invoke(main, ["quantise", NAME, "--repository", str(folder), "--method", method])
        assert result.exit_code == 0, result.output
    return folder


def source(repository: Path) -> Path:
    return repository / NAME / "1" / "model.onnx"


def test_a_static_variant_is_a_model_of_its_own(repository: Path) -> None:
    before, after = read_model(source(repository)), read_model(repository / f"{NAME}-int8-static" / "1" / "model.onnx")
    assert (after.name, after.version, after.precision) == (f"{NAME}-int8-static", 1, "int8-static")
    assert not after.control
    assert is_bitwise(after.certificate, *PROMISE)
    assert (after.signature, after.norm_layers, after.provenance) == (
        before.signature, before.norm_layers, before.provenance
    )  # fmt: skip
    assert after.accuracy.sequences == before.accuracy.sequences
    assert 0 < after.parity.max_abs_difference < after.parity.bound == math.inf
    assert after.parity.cases == before.parity.cases


def test_every_weight_matrix_is_in_int8(repository: Path) -> None:
    graph = onnx.load(repository / f"{NAME}-int8-static" / "1" / "model.onnx").graph
    kinds = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 2}
    assert kinds == {onnx.TensorProto.UINT8}


def test_a_dynamic_variant_is_a_control(repository: Path) -> None:
    model = read_model(repository / f"{NAME}-int8-dynamic" / "1" / "model.onnx")
    assert model.control
    assert model.precision == "int8-dynamic"
    assert not is_bitwise(model.certificate, *PROMISE)


def test_a_variant_has_a_calibration_of_its_own(repository: Path) -> None:
    before, after = read_model(source(repository)), read_model(repository / f"{NAME}-int8-static" / "1" / "model.onnx")
    assert after.calibration.sequences == before.calibration.sequences
    assert after.calibration.log_loss_before != before.calibration.log_loss_before


def test_a_variant_is_watched_by_the_probe_of_its_source_and_a_control_by_none(repository: Path) -> None:
    path = repository / f"{NAME}-int8-static" / "1" / "model.onnx"
    assert open_probe(path, read_model(path)) is not None
    assert path.with_name(FILE).read_bytes() == source(repository).with_name(FILE).read_bytes()
    control = repository / f"{NAME}-int8-dynamic" / "1" / "model.onnx"
    assert not read_model(control).HasField("probe")
    assert not control.with_name(FILE).exists()


def test_the_same_model_gives_the_same_bytes(repository: Path, dataset: Dataset, tmp_path: Path) -> None:
    quantise_model(
        source(repository), tmp_path, method="static", dataset=dataset, name=f"{NAME}-int8-static", version=1
    )
    again = tmp_path / f"{NAME}-int8-static" / "1" / "model.onnx"
    assert again.read_bytes() == (repository / f"{NAME}-int8-static" / "1" / "model.onnx").read_bytes()


def test_other_data_are_refused(repository: Path, dataset: Dataset, tmp_path: Path) -> None:
    other = dataclasses.replace(dataset, sha256="0" * 64)
    with pytest.raises(ExportError, match="other data"):
        quantise_model(source(repository), tmp_path, method="static", dataset=other, name="other", version=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("model", "said"), [("small-int8-static", "already"), ("nobody", "no model 'nobody'")])
def test_what_cannot_be_quantised_is_told(repository: Path, model: str, said: str) -> None:
    result = CliRunner().invoke(main, ["quantise", model, "--repository", str(repository)])
    assert result.exit_code == 1
    assert said in result.output


def test_the_table_has_a_row_for_every_variant(repository: Path) -> None:
    command = [sys.executable, "-m", "export.quantise.table", NAME, "--repository", str(repository), "--rounds", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if NAME in line]
    assert [row.split("│")[2].strip() for row in rows] == ["float32", "int8-static", "int8-dynamic"]
    assert rows[1].count("bitwise") == 3
    assert "bitwise" not in rows[2]
