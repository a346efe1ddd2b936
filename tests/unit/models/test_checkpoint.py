"""Checkpoints: a file gives back what was saved, and the command line writes one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from models.config import TCNConfig
from models.data import TASKS, Dataset, load
from models.norm import NORMS, SERVED_AS
from models.training import Checkpoint, CheckpointError, train
from models.zoo import BODIES
from soloist.cli import export as export_command
from soloist.cli import train as command
from soloist.cli.main import main


@pytest.fixture(scope="module")
def checkpoint(dataset: Dataset) -> Checkpoint:
    return train(dataset, "tcn", TCNConfig(channels=8, blocks=2, norm="batch"), 4, 2)


def test_a_file_gives_back_what_was_saved(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "checkpoint.pt"
    checkpoint.save(path)
    loaded = Checkpoint.load(path)
    assert loaded.digest == checkpoint.digest
    for field in dataclasses.fields(Checkpoint):
        if field.name not in ("weights", "statistics"):
            assert getattr(loaded, field.name) == getattr(checkpoint, field.name)
    for name, moments in checkpoint.statistics.items():
        assert loaded.statistics[name].frames == moments.frames
        assert torch.equal(loaded.statistics[name].ema_variance, moments.ema_variance)
        assert torch.equal(loaded.statistics[name].precise_mean, moments.precise_mean)


def test_saving_replaces_a_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"something else")
    checkpoint.save(path)
    assert Checkpoint.load(path).digest == checkpoint.digest
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04 torn"])
def test_another_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.pt"):
        Checkpoint.load(path)


def test_tensors_of_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"weights\.pt"):
        Checkpoint.load(path)


def test_a_torn_checkpoint_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "torn.pt"
    checkpoint.save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match=r"torn\.pt"):
        Checkpoint.load(path)


def test_the_digest_tells_models_apart(checkpoint: Checkpoint) -> None:
    others = [
        dataclasses.replace(checkpoint, seed=5),
        dataclasses.replace(checkpoint, data_sha256="1" * 64),
        dataclasses.replace(checkpoint, config=TCNConfig(channels=8, blocks=2, norm="batch", dropout=0.2)),
        dataclasses.replace(
            checkpoint, weights={n: w + 0.5 if n == "head.bias" else w for n, w in checkpoint.weights.items()}
        ),
    ]
    assert len({checkpoint.digest, *(other.digest for other in others)}) == 5


def test_the_command_line_trains(tmp_path: Path) -> None:
    path = tmp_path / "vowels.pt"
    arguments = ["--task", "vowels", "--architecture", "tcn", "--norm", "batch", "--epochs", "1", "--out", str(path)]
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code == 0, result.output
    written = Checkpoint.load(path)
    assert (written.task.name, written.architecture, written.config.norm) == ("vowels", "tcn", "batch")
    assert written.data_sha256 == load("vowels").sha256
    assert written.digest in result.output


@pytest.mark.parametrize(("option", "value"), [("--task", "faces"), ("--architecture", "gru"), ("--norm", "spectral")])
def test_an_unknown_name_is_wrong_usage(option: str, value: str, tmp_path: Path) -> None:
    arguments = {"--task": "vowels", "--architecture": "tcn", "--out": str(tmp_path / "x.pt"), option: value}
    result = CliRunner().invoke(main, ["train", *(word for pair in arguments.items() for word in pair)])
    assert result.exit_code == 2
    assert value in result.output


def test_weights_are_served_with_the_statistics_of_the_batch_at_hand(checkpoint: Checkpoint) -> None:
    served = checkpoint.served_as("batch_current")
    assert served.config.norm == "batch_current"
    assert served.weights is checkpoint.weights
    assert not served.model().causal


@pytest.mark.parametrize("norm", ["batch", "layer", "batch_step"])
def test_weights_are_not_served_with_a_normaliser_they_do_not_fit(checkpoint: Checkpoint, norm: str) -> None:
    with pytest.raises(ValueError, match="trained with 'batch'"):
        checkpoint.served_as(norm)


def test_the_command_line_knows_the_names_there_are() -> None:
    assert list(export_command.SERVED_ONLY) == list(SERVED_AS)
    assert (list(command.TASKS), list(command.ARCHITECTURES), list(command.NORMS)) == (
        list(TASKS),
        list(BODIES),
        list(NORMS),
    )
