"""`soloist train` and `soloist export` say in one sentence what is wrong, without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.data import DataError, Dataset
from soloist.cli.main import main


def _assert_one_sentence(result: Result, exit_code: int, words: str) -> None:
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == exit_code
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(task: str) -> Dataset:
        raise DataError(f"{task}.npz: No such file or directory")

    monkeypatch.setattr("models.training.command.load", load)


@pytest.mark.usefixtures("without_data")
def test_training_without_its_data(tmp_path: Path) -> None:
    command = ["train", "--task", "vowels", "--architecture", "tcn", "--out", str(tmp_path / "c.ckpt")]
    _assert_one_sentence(CliRunner().invoke(main, command), 1, "Error: vowels.npz: No such file or directory")


def test_training_with_a_normaliser_that_the_architecture_lacks(tmp_path: Path) -> None:
    command = ["train", "--task", "vowels", "--architecture", "lstm", "--norm", "batch_ffn", "--out", str(tmp_path)]
    _assert_one_sentence(CliRunner().invoke(main, command), 2, "lstm has no normaliser 'batch_ffn'")


def test_exporting_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "c.ckpt").write_text("no checkpoint")
    command = ["export", str(tmp_path / "c.ckpt"), "--repository", str(tmp_path / "repository")]
    _assert_one_sentence(CliRunner().invoke(main, command), 1, "c.ckpt: no checkpoint of Soloist, or a damaged one")
    assert not (tmp_path / "repository").exists()


def test_exporting_a_file_that_is_not_there(tmp_path: Path) -> None:
    command = ["export", str(tmp_path / "c.ckpt"), "--repository", str(tmp_path)]
    _assert_one_sentence(CliRunner().invoke(main, command), 2, "does not exist")
