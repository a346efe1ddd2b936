from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.core.file_mark import file_mark


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "v1" / "keys.toml"
    path.parent.mkdir()
    path.write_text("first", encoding="utf-8")
    os.utime(path, ns=(0, 0))  # long ago, so that whatever is done now has another time
    return path


def _written_with_its_old_time(path: Path) -> None:
    before = path.stat()
    path.write_text("other", encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced_by_one_of_the_same_size_and_time(path: Path) -> None:
    new = path.with_name("new")
    new.write_text("other", encoding="utf-8")
    os.utime(new, ns=(0, 0))
    new.replace(path)


CHANGES: tuple[Callable[[Path], object], ...] = (
    lambda path: path.write_text("other", encoding="utf-8"),
    lambda path: path.write_text("longer than before", encoding="utf-8"),
    _written_with_its_old_time,
    _replaced_by_one_of_the_same_size_and_time,
    lambda path: path.chmod(0o600),
    lambda path: path.unlink(),
)


@pytest.mark.parametrize(
    "change", CHANGES, ids=["content", "size", "content, time kept", "renamed to its place", "rights", "removed"]
)
def test_a_changed_file_has_another_mark(file: Path, change: Callable[[Path], object]) -> None:
    file.chmod(0o644)
    before = file_mark(file)
    _wait_for_another_time(file)
    change(file)
    assert file_mark(file) != before


def test_a_file_that_is_read_keeps_its_mark(file: Path) -> None:
    before = file_mark(file)
    file.read_bytes()
    assert file_mark(file) == before


def test_a_link_to_the_folder_is_followed(file: Path) -> None:
    """Kubernetes replaces a volume's files so."""
    other, link = file.parent.with_name("v2"), file.parent.with_name("current")
    other.mkdir()
    (other / file.name).write_text("first", encoding="utf-8")
    link.symlink_to(file.parent.name)
    assert file_mark(link / file.name) == file_mark(file)
    link.unlink()
    link.symlink_to(other.name)
    assert file_mark(link / file.name) == file_mark(other / file.name) != file_mark(file)


def test_a_file_that_is_not_there_has_no_mark(tmp_path: Path) -> None:
    assert file_mark(tmp_path / "missing") is None
    assert file_mark(tmp_path / "missing" / "folder") is None


def _wait_for_another_time(file: Path) -> None:
    """Return when the clock of the file system, which ticks some hundred times a second, shows another time."""
    before, other = file.stat().st_ctime_ns, file.with_name("clock")
    while True:
        other.write_bytes(b"")
        if other.stat().st_ctime_ns != before:
            return
