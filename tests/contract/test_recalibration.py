"""A recalibrated model is the next version, certified, and says what it was made of."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from export import ExportError, export_checkpoint
from export.recalibrate import propose
from export.recalibrate.judge import open_version, top_classes
from export.recalibrate.labelled_traffic import LabelledTraffic
from models.config import LSTMConfig, TCNConfig
from models.data import Dataset, load
from models.training import Checkpoint, recalibrated, train
from service.certificate import is_bitwise
from service.engine.session import open_session
from service.loading.manifest import read_manifest
from service.observers.feedback.label import Outcome
from service.observers.feedback.policy import LogPolicy
from service.observers.skew import Moments, measure
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.model_pb2 import Model
from tests.contract.recalibrating import Command, id_of
from tests.unit.service.feedback.conftest import Log, classifier, prediction

CONFIG = TCNConfig(channels=8, blocks=2, norm="batch")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("vowels")


@pytest.fixture(scope="module")
def checkpoint(dataset: Dataset) -> Checkpoint:
    return train(dataset, "tcn", CONFIG, seed=0, epochs=3)


@pytest.fixture(scope="module")
def live(dataset: Dataset) -> list[npt.NDArray[Any]]:
    return [(1.5 * frames).astype(np.float32) for frames in dataset.test.sequences[:64]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repository")


@pytest.fixture(scope="module")
def served(folder: Path, checkpoint: Checkpoint, dataset: Dataset) -> Model:
    return export_checkpoint(checkpoint, folder, name="vowels", version=1, dataset=dataset)


@pytest.fixture(scope="module")
def proposed(
    served: Model, folder: Path, checkpoint: Checkpoint, live: list[npt.NDArray[Any]], dataset: Dataset
) -> Model:
    model, _ = propose(served, checkpoint, live, 16, folder=folder, dataset=dataset)
    return model


def test_it_is_the_next_version_and_certified(proposed: Model, folder: Path) -> None:
    assert proposed.version == 2
    assert read_manifest(open_session(folder / "vowels" / "2" / "model.onnx")) == proposed
    assert is_bitwise(proposed.certificate, pb.DIMENSION_BATCH, pb.DIMENSION_PADDING, pb.DIMENSION_CHUNKING)


def test_it_says_what_it_was_made_of(
    proposed: Model, served: Model, checkpoint: Checkpoint, live: list[npt.NDArray[Any]]
) -> None:
    reported = proposed.provenance.recalibration
    assert reported.origin_checkpoint_sha256 == served.provenance.checkpoint_sha256 == checkpoint.digest
    assert (reported.sequences, reported.frames, reported.pseudo_count) == (64, sum(map(len, live)), 16)
    assert not served.provenance.HasField("recalibration")
    blended = recalibrated(checkpoint, live, 16)
    for before, layer in zip(served.norm_layers, proposed.norm_layers, strict=True):
        assert (layer.statistics, layer.statistics_frames) == ("recalibrated", reported.frames)
        assert layer.precise == before.precise
        assert list(layer.recalibrated.mean) == blended.weights[f"{layer.name}.running_mean"].tolist()


def test_its_skew_is_told_from_its_own_statistics_and_thresholds(proposed: Model) -> None:
    assert proposed.probe.held_out_sequences == 64
    for layer, probed in zip(proposed.norm_layers, proposed.probe.layers, strict=True):
        assert probed.reference == layer.recalibrated
        stored, trained = Moments.from_message(layer.recalibrated), Moments.from_message(layer.precise)
        assert measure(stored, trained, layer.eps).divergence_nats > 0


def test_live_inputs_are_compared_with_those_that_it_was_made_of(
    proposed: Model, served: Model, live: list[npt.NDArray[Any]]
) -> None:
    before, after = served.input_reference, proposed.input_reference
    assert (before.sequences, after.sequences, after.held_out_sequences) == (270, 64, 64)
    np.testing.assert_allclose(after.moments.mean, np.concatenate(live).mean(axis=0), rtol=1e-3, atol=1e-5)
    assert [each.window_sequences for each in after.thresholds] == [8, 32, 128]


def test_it_is_refused_with_a_checkpoint_of_another_model(
    served: Model, checkpoint: Checkpoint, live: list[npt.NDArray[Any]], dataset: Dataset, tmp_path: Path
) -> None:
    other = recalibrated(checkpoint, live, 0)
    with pytest.raises(ExportError, match="not made of this checkpoint"):
        propose(served, other, live, 16, folder=tmp_path, dataset=dataset)
    assert list(tmp_path.iterdir()) == []


def test_without_sequences_nothing_is_written(
    served: Model, checkpoint: Checkpoint, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="one sequence or more"):
        propose(served, checkpoint, [], 16, folder=tmp_path, dataset=dataset)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_says_what_it_does_under_the_traffic_that_it_was_made_for(
    served: Model, checkpoint: Checkpoint, live: list[npt.NDArray[Any]], dataset: Dataset, tmp_path: Path
) -> None:
    fitted, measured = dataset.test.select(range(64, 128)), dataset.test.select(range(128, 192))
    measured.sequences[:] = [(1.5 * frames).astype(np.float32) for frames in measured.sequences]
    labelled = LabelledTraffic(fitted=fitted, measured=measured, before=7)
    made, _ = propose(served, checkpoint, live, 16, folder=tmp_path, dataset=dataset, version=2, labelled=labelled)
    written = open_version(tmp_path, "vowels", 2)
    correct = int((top_classes(written, measured.sequences) == measured.labels).sum())
    told = written.manifest.provenance.recalibration
    assert (told.accuracy.sequences, told.accuracy.correct, told.accuracy_before.correct) == (64, correct, 7)
    assert (made.calibration.live, made.calibration.sequences, made.calibration.held_back) == (True, 64, True)
    assert made.calibration.temperature != served.calibration.temperature


def test_without_labels_the_manifest_claims_nothing_of_live_traffic(proposed: Model) -> None:
    assert not proposed.provenance.recalibration.HasField("accuracy")
    assert not proposed.calibration.live


@pytest.fixture
def command(served: Model, folder: Path, checkpoint: Checkpoint, tmp_path: Path) -> Command:
    assert served.version == 1
    return Command.prepared(tmp_path, folder, checkpoint)


@pytest.fixture(scope="module")
def order(dataset: Dataset) -> list[int]:
    """Sequences by chance: those of one speaker lie side by side in the file."""
    return [int(index) for index in np.random.default_rng(0).permutation(len(dataset.test))[:160]]


def test_the_command_writes_a_version_whose_gates_pass(command: Command, dataset: Dataset, order: list[int]) -> None:
    gained = [(1.5 * dataset.test.sequences[index]).astype(np.float32) for index in order]
    done = command.call(gained)
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:4]] == [
        "passed  enough sequences",
        "passed  independent in time",
        "passed  lower skew",
        "noted   higher accuracy",
    ]
    assert done.stdout.splitlines()[3].endswith("; rests on 80 sequences, on no label")
    assert (done.exit_code, command.versions) == (0, ["1", "2"])
    assert (command.folder / "repository" / "vowels" / "config.pbtxt").is_file()
    written = Checkpoint.load(command.folder / "model-v2.pt")
    manifest = read_manifest(open_session(command.folder / "repository" / "vowels" / "2" / "model.onnx"))
    assert manifest.provenance.checkpoint_sha256 == written.digest
    assert manifest.provenance.recalibration.sequences == 80


def test_the_prediction_log_is_read_and_its_labels_decide(command: Command, dataset: Dataset, order: list[int]) -> None:
    classes = dataset.spec.labels
    with closing(Log(LogPolicy(path=command.folder / "predictions.db"), by=classifier(classes=classes))) as log:
        shadow = classifier(7, classes=classes)
        for place, index in enumerate(order):
            told = prediction(log.by, 0, prediction_id=id_of(place), frame_count=len(dataset.test.sequences[index]))
            log.write(told)
            log.write(replace(told, servable=shadow), shadow=True)
        # Answers as they are don't get better.
        gained = [(1.5 * dataset.test.sequences[index]).astype(np.float32) for index in order]
        without = command.call(gained, "--prediction-log", str(log.policy.path), "--despite-gates")
        for place in range(0, 160, 2):
            log.now_seconds = 0
            assert log.report(id_of(place), classes[-1]).outcome is Outcome.JOINED
        labelled = command.call(gained, "--prediction-log", str(log.policy.path))
        command.call(gained, "--prediction-log", str(log.policy.path), "--despite-gates")
    changed, shadowed = without.stdout.splitlines()[3:5]
    assert changed.startswith("noted   higher accuracy: no label is known")
    assert shadowed.startswith("noted   difference from the shadow: of 80 answers")
    assert shadowed.endswith("; rests on 80 answers of shadow version 7")
    accuracy, again = labelled.stdout.splitlines()[3:5]
    assert accuracy.startswith("FAILED  higher accuracy: ")
    assert accuracy.endswith("; rests on 40 labels")
    assert again.startswith("noted   difference from the shadow: ")
    assert (labelled.exit_code, command.versions) == (1, ["1", "2", "3"])
    manifest = read_manifest(open_session(command.folder / "repository" / "vowels" / "3" / "model.onnx"))
    assert manifest.provenance.recalibration.accuracy.sequences == 40
    assert manifest.calibration.live


def test_statistics_of_each_step_are_watched_and_recalibrated_as_well(
    dataset: Dataset, order: list[int], tmp_path: Path
) -> None:
    config = LSTMConfig(hidden=8, norm="batch_step", norm_steps=12, norm_place="input")
    stale = train(dataset, "lstm", config, seed=0, epochs=2)
    served = export_checkpoint(stale, tmp_path / "exported", name="vowels", version=1, dataset=dataset)
    for probed in served.probe.layers:
        assert (probed.kind, set(probed.reference.mean)) == ("batch_step", {0.0})
        assert 0.8 < max(probed.reference.variance) <= 1
        assert all(each.divergence_nats < 0.5 for each in probed.thresholds)
    command = Command.prepared(tmp_path, tmp_path / "exported", stale)
    done = command.call([(1.5 * dataset.test.sequences[index]).astype(np.float32) for index in order])
    assert done.stdout.splitlines()[2].startswith("passed  lower skew: mean divergence of 1 layer changes by -")
    assert (done.exit_code, command.versions) == (0, ["1", "2"])
    manifest = read_manifest(open_session(command.folder / "repository" / "vowels" / "2" / "model.onnx"))
    assert {layer.statistics for layer in manifest.norm_layers} == {"recalibrated"}


def test_what_hangs_together_in_time_is_no_sample(command: Command, dataset: Dataset) -> None:
    by_speaker = [dataset.test.sequences[index] for index in range(160)]
    done = command.call(by_speaker)
    assert done.stdout.splitlines()[1].startswith("FAILED  independent in time: ")
    assert (done.exit_code, command.versions) == (1, ["1"])


def test_too_few_sequences_are_no_sample(command: Command, dataset: Dataset, order: list[int]) -> None:
    done = command.call([dataset.test.sequences[index] for index in order[:40]])
    assert done.stdout.startswith("FAILED  enough sequences: 20 sequences")
    assert (done.exit_code, command.versions) == (1, ["1"])


def test_another_model_s_checkpoint_is_refused(command: Command, dataset: Dataset, order: list[int]) -> None:
    train(dataset, "tcn", CONFIG, seed=1, epochs=1).save(command.folder / "model.pt")
    done = command.call([dataset.test.sequences[index] for index in order])
    assert "was exported from this checkpoint" in done.stderr
    assert (done.exit_code, command.versions) == (2, ["1"])


def test_labels_that_name_no_class_are_refused(command: Command, dataset: Dataset, order: list[int]) -> None:
    labels = command.folder / "labels.csv"
    labels.write_text(f"prediction_id,label\n{id_of(1)},nobody\n")
    done = command.call([dataset.test.sequences[index] for index in order], "--labels", str(labels))
    assert "nobody" in done.stderr
    assert (done.exit_code, command.versions) == (2, ["1"])
