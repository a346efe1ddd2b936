"""Sampled sequences come out of a file as they went in; another file is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soloist import SampledSequence
from soloist.sampled_sequences import load_sample, save_sample


def sampled(name: str, frames: Any, *answers: str) -> SampledSequence:
    return SampledSequence(
        sequence_id=name, first_seen_seconds=1.5, last_seen_seconds=2.5, frames=frames, prediction_ids=answers
    )


@pytest.mark.parametrize("shape", [(3, 2), (3,)])
def test_sequences_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    frames = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    sequences = [sampled("a", frames, "p1", "p2"), sampled("b", frames[:1]), sampled("c", frames + 1, "p3")]
    assert save_sample(tmp_path / "s.npz", iter(sequences)) == 3
    found = load_sample(tmp_path / "s.npz")
    assert [(each.sequence_id, each.prediction_ids) for each in found] == [
        ("a", ("p1", "p2")),
        ("b", ()),
        ("c", ("p3",)),
    ]
    assert all((one.frames == two.frames).all() for one, two in zip(found, sequences, strict=True))
    assert {(each.first_seen_seconds, each.last_seen_seconds) for each in found} == {(1.5, 2.5)}


def test_none_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no sequences"):
        save_sample(tmp_path / "s.npz", [])
    assert not (tmp_path / "s.npz").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no sampled sequences"):
        load_sample(path)


def test_an_archive_of_other_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", frames=np.zeros(3))
    with pytest.raises(ValueError, match="holds no sampled sequences"):
        load_sample(tmp_path / "other.npz")
