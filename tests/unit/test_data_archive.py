"""A data set's file is read only if it is the one on record, and writing is the inverse of reading."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

# data/ is no installed package: its scripts run from the root.
sys.path.insert(0, str(Path(__file__).parents[2]))

from data.archive import Recording, write
from data.digits.rebuild import held_out
from data.languages.declaration import parse_articles
from data.vowels.rebuild import parse_ts
from models.data import DataError
from models.data.archive import read_archive

RECORDINGS = [
    Recording(frames=np.arange(6, dtype=np.float32).reshape(3, 2), label=1, held_out=False, group=4, characters=9),
    Recording(frames=np.ones((1, 2), dtype=np.float32), label=0, held_out=True, group=5),
]


def written(folder: Path, name: str = "set.npz") -> Path:
    path = folder / name
    write(path, ["no", "yes"], RECORDINGS)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    archive = read_archive(tmp_path, "set.npz", np.float32)
    assert archive.label_names == ("no", "yes")
    assert [sequence.tolist() for sequence in archive.train.sequences] == [[[0, 1], [2, 3], [4, 5]]]
    assert (archive.train.labels.tolist(), archive.train.groups.tolist()) == ([1], [4])
    assert (archive.train.characters.tolist(), archive.test.characters.tolist()) == ([9], [0])
    assert [sequence.tolist() for sequence in archive.test.sequences] == [[[1, 1]]]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path, "a.npz").read_bytes() == written(tmp_path, "b.npz").read_bytes()


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="SHA256SUMS says"):
        read_archive(tmp_path, "set.npz", np.float32)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz: No such file"):
        read_archive(tmp_path, "none.npz", np.float32)


def test_ts_lines_become_frames_by_channels() -> None:
    ((frames, label),) = parse_ts("@classLabel true 1 2\n@data\n1,2,3:4,5,6:2\n")
    assert (frames.tolist(), label) == ([[1, 4], [2, 5], [3, 6]], "2")


def test_paragraphs_are_filed_under_their_article() -> None:
    html = (
        '<header><h2>T</h2><p>a\n b</p></header><article data-number="7"><ol><li><p>c &amp; d</p></li></ol></article>'
    )
    assert parse_articles(html) == {0: ["a b"], 7: ["c & d"]}


def test_held_out_digits_do_not_depend_on_the_order_of_the_file() -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(3, 13)).astype(np.float32) for _ in range(700)]
    labels = np.arange(700) % 10
    chosen = {sequences[index].tobytes() for index in held_out(sequences, labels)}
    turned = {sequences[::-1][index].tobytes() for index in held_out(sequences[::-1], labels[::-1])}
    assert chosen == turned
    assert len(chosen) == 600
