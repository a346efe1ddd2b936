"""An exported file against PyTorch and against what it says of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from export import ExportError, accuracy, calibration, export_checkpoint, parity, repository
from export.run import run
from models.config import EncoderConfig, LSTMConfig, ModelConfig, TaskSpec, TCNConfig, TransformerConfig
from models.data import Dataset, Split, load
from models.training import Checkpoint, parts, train
from service.certificate import is_bitwise
from service.engine.graph import Graph
from service.engine.session import open_session
from service.loading.manifest import read_manifest
from soloist.v1 import certificate_pb2
from soloist.v1.model_pb2 import Model
from tests.exporter import traced_anew

SPEC = TaskSpec(name="slopes", frames="features", feature_count=3, labels=("down", "up"))
CONFIGS: dict[str, ModelConfig] = {
    "lstm": LSTMConfig(hidden=8, norm="batch"),
    "tcn": TCNConfig(channels=8, blocks=2, norm="batch"),
    "transformer": TransformerConfig(width=8, heads=2, layers=1, window=8, tile=4, norm="layer"),
    "encoder": EncoderConfig(width=8, heads=2, layers=1, norm="layer"),
}


def slopes(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    sequences = []
    for label in labels:
        frames = int(rng.integers(4, 20))
        ramp = np.linspace(0, 1 if label else -1, frames)[:, None] * 3
        sequences.append((ramp + rng.normal(size=(frames, 3))).astype(np.float32))
    return Split(sequences=sequences, labels=labels)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset(name="slopes", spec=SPEC, train=slopes(40, 0), test=slopes(31, 1), sha256="0" * 64)


def trained(dataset: Dataset, architecture: str) -> Checkpoint:
    return train(dataset, architecture, CONFIGS[architecture], seed=0, epochs=2)


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, dataset: Dataset) -> Checkpoint:
    return trained(dataset, request.param)


@pytest.fixture(scope="module")
def exported(checkpoint: Checkpoint, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    folder = tmp_path_factory.mktemp("repository")
    model = export_checkpoint(checkpoint, folder, name="slopes", version=3, dataset=dataset)
    return model, folder / "slopes"


def test_the_file_says_what_the_export_returned(exported: tuple[Model, Path]) -> None:
    model, folder = exported
    assert read_manifest(open_session(folder / "3" / "model.onnx")) == model


def test_the_manifest_describes_the_graph(exported: tuple[Model, Path]) -> None:
    model, folder = exported
    graph = onnx.load(folder / "3" / "model.onnx").graph
    states = model.signature.states
    assert [value.name for value in graph.input] == ["frames", "length", *(state.input for state in states)]
    assert [value.name for value in graph.output] == ["outputs", *(state.output for state in states)]
    shapes = {v.name: [a.dim_value or -1 for a in v.type.tensor_type.shape.dim] for v in graph.input}
    assert shapes["frames"] == [-1, -1, 3]
    assert {state.input: [-1, *state.shape] for state in states}.items() <= shapes.items()


def test_the_manifest_tells_how_the_model_came_to_be(exported: tuple[Model, Path], checkpoint: Checkpoint) -> None:
    model, _ = exported
    assert (model.name, model.version, model.task) == ("slopes", 3, "slopes")
    assert list(model.labels) == ["down", "up"]
    assert (model.architecture, model.norm) == (checkpoint.architecture, checkpoint.config.norm)
    assert model.causal == (checkpoint.architecture != "encoder")
    assert model.training.sequences == 40
    assert model.training.max_frames == checkpoint.max_frames
    assert model.provenance.checkpoint_sha256 == checkpoint.digest
    assert model.parity.max_abs_difference <= model.parity.bound
    assert {tensor.name for tensor in model.parity.tensors} == {
        "outputs", *(state.output for state in model.signature.states)
    }  # fmt: skip


def test_every_model_is_certified_in_all_that_applies_to_it(exported: tuple[Model, Path]) -> None:
    model, _ = exported
    dimensions = [certificate_pb2.DIMENSION_BATCH, certificate_pb2.DIMENSION_PADDING]
    dimensions += [certificate_pb2.DIMENSION_CHUNKING] if model.causal else []
    assert [verdict.dimension for verdict in model.certificate.verdicts] == dimensions
    assert is_bitwise(model.certificate, *dimensions)


def test_norm_layers_come_with_their_statistics(exported: tuple[Model, Path], checkpoint: Checkpoint) -> None:
    model, _ = exported
    assert {layer.kind for layer in model.norm_layers} == {checkpoint.config.norm}
    for layer in model.norm_layers:
        assert layer.folded == (checkpoint.config.norm == "batch")
        if statistics := checkpoint.statistics.get(layer.name):
            assert layer.statistics == "precise"
            assert layer.statistics_frames == statistics.frames
            assert list(layer.precise.mean) == statistics.precise_mean.tolist()
            assert list(layer.ema.variance) == statistics.ema_variance.tolist()
        else:
            assert not layer.statistics


def test_accuracy_is_what_a_bare_session_answers(exported: tuple[Model, Path], dataset: Dataset) -> None:
    model, folder = exported
    graph = Graph(open_session(folder / "3" / "model.onnx"), model.signature)
    answers = [
        graph.run(frames[None], [len(frames)], graph.zero_states(1))[0][0, -1].argmax()
        for frames in dataset.test.sequences
    ]
    assert model.accuracy.sequences == len(dataset.test)
    assert model.accuracy.correct == int((np.array(answers) == dataset.test.labels).sum())


def test_confidence_is_calibrated_on_what_training_kept_back(
    exported: tuple[Model, Path], checkpoint: Checkpoint, dataset: Dataset
) -> None:
    model, folder = exported
    _, validation = parts(dataset, checkpoint.architecture, np.random.default_rng(checkpoint.seed))
    graph = Graph(open_session(folder / "3" / "model.onnx"), model.signature)
    expected = calibration.fit(accuracy.answers(graph, validation).astype(np.float64), validation.labels)
    expected.held_back = True
    assert model.calibration == expected


def test_a_split_too_small_to_be_divided_is_told(exported: tuple[Model, Path], dataset: Dataset) -> None:
    model, folder = exported
    few = dataclasses.replace(dataset, train=dataset.train.select([0, 1]))
    graph = Graph(open_session(folder / "3" / "model.onnx"), model.signature)
    found = calibration.measure(graph, few, model.architecture, seed=0)
    assert (found.sequences, found.held_back) == (2, False)


def test_the_same_checkpoint_gives_the_same_bytes(
    exported: tuple[Model, Path], checkpoint: Checkpoint, dataset: Dataset, tmp_path: Path
) -> None:
    with traced_anew():
        export_checkpoint(checkpoint, tmp_path, name="slopes", version=3, dataset=dataset)
    for file in ("3/model.onnx", "3/probe.onnx", "config.pbtxt"):
        assert (tmp_path / "slopes" / file).read_bytes() == (exported[1] / file).read_bytes()


def test_the_file_holds_no_path_of_the_machine_it_was_made_on(exported: tuple[Model, Path]) -> None:
    assert str(Path(__file__).parents[2]).encode() not in (exported[1] / "3" / "model.onnx").read_bytes()


def test_beyond_the_bound_nothing_is_written(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "BOUND", 0.0)
    with pytest.raises(ExportError, match="differs from PyTorch"):
        export_checkpoint(trained(dataset, "tcn"), tmp_path / "new", name="slopes", version=1, dataset=dataset)
    assert not (tmp_path / "new").exists()


def test_the_command_exports_the_next_version_under_the_default_name(tmp_path: Path) -> None:
    repository.write(tmp_path, "vowels-tcn-none", 4, {"model.onnx": b"older"}, "config")
    vowels = train(load("vowels"), "tcn", TCNConfig(channels=8, blocks=1, norm="none"), seed=0, epochs=1)
    vowels.save(tmp_path / "checkpoint.pt")
    model = run(tmp_path / "checkpoint.pt", tmp_path, None)
    assert (model.name, model.version, model.accuracy.sequences) == ("vowels-tcn-none", 5, 370)
    assert (tmp_path / "vowels-tcn-none" / "5" / "model.onnx").exists()


def test_a_model_is_not_measured_on_other_data(dataset: Dataset, tmp_path: Path) -> None:
    other = dataclasses.replace(dataset, sha256="1" * 64)
    with pytest.raises(ExportError, match="other data"):
        export_checkpoint(trained(dataset, "tcn"), tmp_path, name="slopes", version=1, dataset=other)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("checkpoint", ["tcn"], indirect=True)
def test_a_difference_names_its_tensor(exported: tuple[Model, Path], checkpoint: Checkpoint, dataset: Dataset) -> None:
    model, folder = exported
    graph = Graph(open_session(folder / "3" / "model.onnx"), model.signature)
    weights = {**checkpoint.weights, "head.bias": checkpoint.weights["head.bias"] + 1}
    other = dataclasses.replace(checkpoint, weights=weights).model()
    with pytest.raises(ExportError, match=r"outputs by 1") as caught:
        parity.measure(other, graph, dataset.train)
    assert "next." not in str(caught.value)
