"""The checks of what is written: the logs of answers and of calls, the repro bundles, the repository's rollouts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from service.app.access_log import STDOUT
from service.app.settings import Settings
from service.doctor.finding import Finding, Verdict, size

_AREA = "disk"
_MOUNTS = Path("/proc/mounts")
_FREE_BYTES = 512 * 2**20
# SQLite's log needs shared memory and locks, which these give late or not at all.
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs", "lustre")


def disk(settings: Settings) -> Iterator[Finding]:
    """Return findings about each place that the server writes to."""
    if settings.prediction_log is not None:
        yield _log(settings.prediction_log)
    if settings.access_log is not None and settings.access_log != STDOUT:
        yield _place("access log", settings.access_log.parent)
    if settings.repro_bundle_dir is not None:
        yield _place("repro bundles", settings.repro_bundle_dir)
    if settings.repository.is_dir() and not os.access(settings.repository, os.W_OK):
        remedy = "mount it writable, if labels and canaries should be changed while the server runs"
        found = f"{settings.repository} is read-only"
        yield Finding(area=_AREA, what="rollouts", found=found, verdict=Verdict.NOTE, remedy=remedy)


def _log(path: Path) -> Finding:
    found = _place("prediction log", path.parent)
    if found.verdict is Verdict.WRONG:
        return found
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return _wrong("prediction log", f"{path} can't be read and written", f"let the server's user write {path}")
    kind = _file_system(path.parent)
    if kind in _REMOTE:
        return _wrong("prediction log", f"{path} is on {kind}", "put it on a local disk: SQLite needs its locks")
    return found


def _place(what: str, folder: Path) -> Finding:
    if not folder.is_dir():
        return _wrong(what, f"there is no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return _wrong(what, f"{folder} isn't writable", "let the server's user write it")
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    found = f"{folder}: {size(free)} free"
    if free < _FREE_BYTES or (room.f_files and not room.f_favail):
        return _wrong(what, found, "make room, or lower prediction_log_max_rows and prediction_log_max_age_seconds")
    return Finding(area=_AREA, what=what, found=found)


def _wrong(what: str, found: str, remedy: str) -> Finding:
    return Finding(area=_AREA, what=what, found=found, verdict=Verdict.WRONG, remedy=remedy)


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on; empty if the system doesn't say."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    whole = folder.resolve()
    kinds = {Path(fields[1]): fields[2] for fields in map(str.split, lines) if len(fields) > 2}
    return next((kinds[each] for each in (whole, *whole.parents) if each in kinds), "")
