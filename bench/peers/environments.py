"""An environment of its own for each peer: made once, with every package pinned, below build/peers."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from bench.peers.catalogue import REQUIREMENTS, Peer

_INSTALL_SECONDS = 900.0
_TOLD_CHARACTERS = 200


class PeerError(Exception):
    """A peer can't be installed, started or measured; the text says why, for people."""


def python_of(peer: Peer, folder: Path) -> Path:
    """Return the Python that a peer runs on, after installing what isn't there yet.

    Raises:
        PeerError: it can't be installed.

    """
    if peer.requirements is None:
        return Path(sys.executable)
    pins = (REQUIREMENTS / peer.requirements).read_text()
    environment = folder / peer.requirements.removesuffix(".txt")
    python, done = environment / "bin" / "python", environment / "installed.txt"
    if done.exists() and done.read_text() == pins:
        return python
    log = folder / f"{environment.name}-install.log"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        venv.create(environment, with_pip=True, clear=True)
        with log.open("w") as output:
            subprocess.run(  # noqa: S603  # our own list
                [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", REQUIREMENTS / peer.requirements],
                check=True,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_INSTALL_SECONDS,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerError(f"can't be installed: {last_line(log) or error} ({log})") from error
    done.write_text(pins)
    return python


def last_line(log: Path) -> str:
    """Return the last line of a log that isn't empty, shortened."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()] if log.exists() else []
    return next((line for line in reversed(lines) if line), "")[:_TOLD_CHARACTERS]
