"""The reading of files of the repository: regular files only, since a pipe or a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# For what people write by hand, or a tool writes about a model: settings, certificates. Parsing a text holds up calls.
MOST_TEXT_BYTES = 512 * 1024
# For names of classes, a line each: nothing is parsed.
MOST_NAMES_BYTES = 16 * 2**20


class IrregularFileError(OSError):
    """The file is a pipe, a socket or a device."""

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "no regular file")


class FileTooLargeError(OSError):
    """The file has `size` bytes, more than it may have."""

    def __init__(self, size: int, most_bytes: int) -> None:
        super().__init__(errno.EFBIG, f"it has {size} bytes, and may have {most_bytes}")
        self.size = size


def read_regular(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Read all of a file. Never waits for a writer.

    Raises:
        OSError: it is missing, can't be read, is no regular file, or has more than `most_bytes`.

    """
    # Checked before it is opened, since opening a device may have effects; and after, since it may have been replaced.
    _require_regular(path.stat())
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        _require_regular(found)
        if most_bytes is not None and found.st_size > most_bytes:
            raise FileTooLargeError(found.st_size, most_bytes)
        # One more: files of /proc say that they are empty, and may never end.
        content = file.read(found.st_size + 1)
        if len(content) > found.st_size:
            raise OSError(errno.EIO, "it has more bytes than it says, or grows")
        return content


def read_text(path: Path, *, most_bytes: int = MOST_TEXT_BYTES) -> str:
    """Read a text in UTF-8, without the byte order mark that it may begin with.

    Raises:
        OSError: as `read_regular`.
        UnicodeDecodeError: it is no UTF-8.

    """
    return read_regular(path, most_bytes=most_bytes).decode("utf-8-sig")


def _require_regular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise IrregularFileError
