"""What several tests need and is dear to make: made by whoever asks first, and kept under build/ for the same code.

A key is a hash of every source file that the making runs through, of the libraries and of the processor.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import inspect
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
STORE = ROOT / "build" / "artifacts"
_PACKAGES = ("export", "models", "service", "soloist", "data")
_LIBRARIES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "protobuf", "torch")


def copied(name: str, make: Callable[[Path], None], to: Path, *, store: Path = STORE) -> Path:
    """Copy the folder that `make` fills to `to`, and return `to`.

    `make` runs once for all processes and all runs in which its key is the same. It is keyed by its whole file, but not
    by its arguments: they belong into `name`.
    """
    folder = store / name / _key(make)
    with locked(store / f"{name}.lock"):
        if not folder.exists():
            prune(folder)
            with tempfile.TemporaryDirectory(dir=store, prefix=".") as aside:
                made = Path(aside) / "made"
                made.mkdir()
                make(made)
                made.rename(folder)
        # A copy, so that no test can change what others get.
        return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


def prune(folder: Path) -> None:
    """Remove the folders beside `folder`, those of older code, and create the one that they are in."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _key(make: Callable[[Path], None]) -> str:
    own = Path(inspect.getfile(inspect.unwrap(make))).read_bytes()
    return hashlib.sha256(_code().encode() + own).hexdigest()[:16]


@functools.cache
def _code() -> str:
    """Hash what all artifacts depend on."""
    return hash_of_sources(_PACKAGES) + hash_of_libraries()


def hash_of_sources(packages: tuple[str, ...]) -> str:
    """Hash every file of some packages."""
    found = hashlib.sha256()
    for package in packages:
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def hash_of_libraries() -> str:
    """Hash the versions of Python and the libraries, and the processor."""
    found = "\n".join([sys.version, *map(version, _LIBRARIES), *_machine()])
    return hashlib.sha256(found.encode()).hexdigest()


def _machine() -> Iterator[str]:
    """Yield what bits depend on: another processor computes others."""
    yield platform.machine()
    yield str(os.cpu_count())
    processor = Path("/proc/cpuinfo")
    if processor.exists():
        lines = processor.read_text().splitlines()
        yield from sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
