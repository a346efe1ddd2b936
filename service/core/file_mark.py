"""What tells whether a file has changed, without reading it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class FileMark(NamedTuple):
    """What a file system says of a file. Two marks of one path differ if the file was changed or replaced between them.

    The time of modification alone doesn't do: `cp -p` and `rsync -t` set it, and a file may be replaced by an older
    one. The time of change can't be set, and moves with the rights of the file, too, which may have made it unreadable.
    Device and inode tell a file from one that was renamed to its place, or that a link now leads to.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def file_mark(path: Path) -> FileMark | None:
    """Return the mark of the file that a path leads to, through links; None if there is none, or it can't be seen.

    Take it before the file is read: then a change meanwhile shows at the next look.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return FileMark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
