"""A server and the processes that it has started: what they take, stopping them for a while, and ending them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_END_SECONDS = 5.0
_POLL_SECONDS = 0.05
_MEBI = 2**20
_PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """Return a process and all below it, parents first."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (fields := _fields(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def resident_mebibytes(pid: int) -> float:
    """Return the memory of a process and all below it; what they share counts once for each."""
    pages = 0
    for each in tree(pid):
        try:
            pages += int((_PROC / str(each) / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEBI


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and all below it have used, without threads that have ended."""
    nanoseconds = 0
    for each in tree(pid):
        for schedstat in (_PROC / str(each) / "task").glob("*/schedstat"):
            try:
                nanoseconds += int(schedstat.read_text().split()[0])
            except (OSError, IndexError):
                continue
    return nanoseconds / 1e9


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to processes that may have gone."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end(pids: list[int]) -> None:
    """Ask the first to end, and see to it that all have gone."""
    send(pids, signal.SIGCONT)
    send(pids[:1], signal.SIGTERM)
    until = time.monotonic() + _END_SECONDS
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    send(left, signal.SIGKILL)


def _runs(pid: int) -> bool:
    fields = _fields(pid)
    return bool(fields) and fields[0] != "Z"


def _fields(pid: int) -> list[str]:
    """Return what the kernel tells of a process after its name: state, parent and more; nothing if it has gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return []
