"""Fetching a published package with its registry's ordinary client, pinned by name and version."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Download one wheel ("name==version"), without what it depends on, into `folder`.

    Raises subprocess.CalledProcessError if pip cannot find it.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run(  # noqa: S603 # fixed arguments, pinned requirement
        [*pip, "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement], check=True
    )
    return next(folder.glob("*.whl"))


def fetch_npm_tarball(requirement: str, folder: Path) -> Path:
    """Download one npm package ("name@version") into `folder`.

    Raises subprocess.CalledProcessError if npm cannot find it.
    """
    subprocess.run(  # noqa: S603 # fixed arguments, pinned requirement
        ["npm", "pack", "--silent", requirement],  # noqa: S607 # npm is wherever the user installed it
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return next(folder.glob("*.tgz"))
