"""Labels of a recalibration's sample: as a server would take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.errors import ExportError
from export.recalibrate.sample import read_labels

CLASSES = ("one", "two")


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(("prediction_id,label", *lines)))
    return path


def test_the_first_label_of_an_answer_stands(tmp_path: Path) -> None:
    assert read_labels(_file(tmp_path, "a,two", "b,one", "a,one"), CLASSES) == {"a": 1, "b": 0}


def test_a_label_that_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="three"):
        read_labels(_file(tmp_path, "a,three"), CLASSES)


def test_a_file_without_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("prediction_id,class_index\na,1\n")
    with pytest.raises(ExportError, match="prediction_id and label"):
        read_labels(path, CLASSES)
