"""Writing a version: all of it or nothing, never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from export import ExportError, repository


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_version_and_the_config_are_written(tmp_path: Path) -> None:
    repository.write(tmp_path, "m", 1, {"model.onnx": b"graph"}, "config")
    assert files(tmp_path) == {"m/1/model.onnx", "m/config.pbtxt"}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_versions_stand_side_by_side(tmp_path: Path) -> None:
    assert repository.next_version(tmp_path, "m") == 1
    repository.write(tmp_path, "m", 1, {"model.onnx": b"one"}, "config")
    repository.write(tmp_path, "m", 10, {"model.onnx": b"ten"}, "config")
    assert repository.next_version(tmp_path, "m") == 11
    assert (tmp_path / "m" / "1" / "model.onnx").read_bytes() == b"one"


def test_a_version_is_never_changed(tmp_path: Path) -> None:
    repository.write(tmp_path, "m", 1, {"model.onnx": b"first"}, "config")
    with pytest.raises(ExportError, match="already"):
        repository.write(tmp_path, "m", 1, {"model.onnx": b"second"}, "other")
    assert (tmp_path / "m" / "1" / "model.onnx").read_bytes() == b"first"
    assert (tmp_path / "m" / "config.pbtxt").read_text() == "config"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "-x", "a b"])
def test_a_name_is_a_folder_in_the_repository(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="no model name"):
        repository.check_place(tmp_path, name, 1)


def test_versions_count_from_one(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="count from 1"):
        repository.check_place(tmp_path, "m", 0)


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    repository.write(tmp_path, "m", 1, {"model.onnx": b"graph"}, "config")
    assert (tmp_path / "m" / "1").stat().st_mode == plain.stat().st_mode
