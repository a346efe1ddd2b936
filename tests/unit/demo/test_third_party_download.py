"""Parts of published packages: only the file that is meant is kept, and what can't be had says why."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from demo.third_party.download import DownloadError, cached_path, download
from demo.third_party.package_files import Package, PackageFile

PACKAGE = Package(name="made-up-part", version="1.0", licence="none")
CONTENT = b"not really a model"
PATH = "made_up_part/model.onnx"


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give pip a folder with one wheel, instead of an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    about = "made_up_part-1.0.dist-info"
    with zipfile.ZipFile(folder / "made_up_part-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(PATH, CONTENT)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: made-up-part\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def file(content: bytes = CONTENT, *, path: str = PATH, package: Package = PACKAGE) -> PackageFile:
    return PackageFile(package=package, path=path, sha256=hashlib.sha256(content).hexdigest())


def test_a_part_is_kept_and_not_fetched_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download(PACKAGE, [file()], tmp_path / "cache")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    download(PACKAGE, [file()], tmp_path / "cache")
    assert cached_path(file(), tmp_path / "cache").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (file(b"what it was once"), "isn't the file with SHA-256"),
        (file(path="made_up_part/other.onnx"), "holds no made_up_part/other.onnx"),
        (file(package=Package(name="made-up-part", version="2.0", licence="none")), "made-up-part==2.0"),
    ],
    ids=["changed", "elsewhere", "unpublished"],
)
def test_what_is_not_there_is_refused_and_nothing_kept(tmp_path: Path, wanted: PackageFile, reason: str) -> None:
    with pytest.raises(DownloadError, match=reason):
        download(wanted.package, [wanted], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
