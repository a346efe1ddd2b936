"""Files written whole or not at all: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

ANYBODY, OWNER_ONLY = 0o666, 0o600


def write_new(path: Path, content: bytes, *, mode: int = ANYBODY) -> None:
    """Write a new file, down to the disk. `mode` holds from its first byte on, less the umask.

    Raises:
        OSError: it exists, or can't be written; then none is left.

    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes, *, mode: int = ANYBODY) -> None:
    """Write or replace a file; if several writers do so at once, the last one wins.

    Raises:
        OSError: it can't be written; then the old file stays.

    """
    # On the same file system, hidden, and unique to this call. Not from tempfile: only the owner could read it.
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    write_new(staged, content, mode=mode)
    try:
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
