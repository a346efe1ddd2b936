"""Files are written whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from soloist.files import OWNER_ONLY, write_atomically, write_new

OLD, NEW = b"old" * 100_000, b"new" * 200_000


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    for content in (OLD, NEW, b""):
        write_atomically(tmp_path / "f", content)
        assert (tmp_path / "f").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    write_new(tmp_path / "f", OLD)
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "f", NEW)
    assert (tmp_path / "f").read_bytes() == OLD


def test_what_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "f", NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_disk_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "f", OLD)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "f", NEW)
    assert (tmp_path / "f").read_bytes() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_content_is_on_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bytes, bool]] = []

    def fsync(_: int) -> None:
        (staged,) = tmp_path.iterdir()
        synced.append((staged.read_bytes(), (tmp_path / "f").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "f", NEW)
    assert synced == [(NEW, False)]


def test_modes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "shared", NEW)
        write_atomically(tmp_path / "private", NEW, mode=OWNER_ONLY)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("shared", "private")] == [0o644, 0o600]


def test_readers_see_one_content_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomically(path, OLD)
    writers = [threading.Thread(target=_write_often, args=(path, content)) for content in (OLD, NEW)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in (OLD, NEW)
    for writer in writers:
        writer.join()
    assert [found.name for found in tmp_path.iterdir()] == ["f"]


def _write_often(path: Path, content: bytes) -> None:
    for _ in range(20):
        write_atomically(path, content)
