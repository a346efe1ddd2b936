"""Where capsules lie: a bounded number of files and bytes, for the operator's eyes only, whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".npz"


@dataclass(frozen=True, kw_only=True)
class CapsuleFolder:
    """A folder and its bounds. What is there counts, so a restart makes no room; the first capsules stay."""

    path: Path
    max_files: int = 20
    max_bytes: int = 64 * 2**20

    def prepare(self) -> None:
        """Make the folder where there is none.

        Raises:
            OSError: it can't be made or written to.

        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))

    def put(self, content: bytes) -> Path | None:
        """Write one capsule; returns where it lies, or None when it has no room.

        Raises:
            OSError: it can't be written.

        """
        sizes = [file.stat().st_size for file in self.path.glob(f"*{SUFFIX}")]
        if len(sizes) >= self.max_files or sum(sizes) + len(content) > self.max_bytes:
            return None
        name = f"capsule-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}{SUFFIX}"
        target, unfinished = self.path / name, self.path / f".{name}.tmp"
        try:
            # Made for its owner alone from the first byte on, not narrowed afterwards.
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(target)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return target
