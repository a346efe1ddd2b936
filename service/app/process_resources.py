"""The resources of the process: processors, file descriptors, and time on its event loop."""

from __future__ import annotations

import asyncio
import math
import os
import re
import resource
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from service.core.metrics import Family, GaugeFamily, HistogramFamily, Start, one_two_five

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_ROOT = Path("/")
_ESCAPED = re.compile(r"\\([0-7]{3})")
# For HTTP, the files of models and the log, and short-lived files.
_RESERVED = 96
_MAX_CONNECTIONS = 2**31 - 1
_NO_LIMIT = 2**62
_INTERVAL_SECONDS = 0.05
WORKERS = GaugeFamily(name="soloist_workers", text="Most runs of models at once.", start=Start.SERVER)
LAG_SECONDS = HistogramFamily(
    name="soloist_event_loop_lag_seconds",
    text="How late the event loop was, measured 20 times a second.",
    buckets=one_two_five(1e-3, 5),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (WORKERS, LAG_SECONDS)


def usable_processors(root: Path = _ROOT) -> int:
    """Return how many processors this process may use, at least 1; a quota of one and a half counts as two.

    Args:
        root: the folder of /proc and /sys.


    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, cpu_quota(root))))


def cpu_quota(root: Path = _ROOT) -> float:
    """Return the quota of processor time, in processors: the smallest of all cgroups; infinity for none."""
    return min(map(_quota, _groups(root, "cpu")), default=math.inf)


def memory_limit(root: Path = _ROOT) -> float:
    """Return the most memory that this process may take, in bytes: the least of all cgroups; infinity for no limit."""
    return min(map(_memory, _groups(root, "memory")), default=math.inf)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    return (group for mount, leaf in _hierarchies(root, controller) for group in _upwards(mount, leaf))


def _hierarchies(root: Path, controller: str) -> Iterator[tuple[Path, Path]]:
    """Yield the mount of each cgroup hierarchy with a controller, and the folder of this process in it."""
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths["cgroup2"] = path
        elif controller in controllers.split(","):
            paths["cgroup"] = path
    for line in _lines(root / "proc/self/mountinfo"):
        fields, _, more = line.partition(" - ")
        mounted, (kind, *options) = fields.split(), more.split() or [""]
        is_ours = kind == "cgroup2" or (kind == "cgroup" and controller in options[-1].split(","))
        if is_ours and kind in paths and len(mounted) > 4:
            mount = root / _unescaped(mounted[4]).lstrip("/")
            yield mount, mount / _below(_unescaped(mounted[3]), paths[kind])


def _below(shown: str, path: str) -> str:
    """Return a group's path below the mounted one; for a group that isn't visible here, the mounted one."""
    group = PurePosixPath(path)
    if ".." in group.parts or not group.is_relative_to(shown):
        return "."
    return str(group.relative_to(shown))


def _upwards(mount: Path, leaf: Path) -> Iterator[Path]:
    yield leaf
    while leaf != mount:
        leaf = leaf.parent
        yield leaf


def _quota(group: Path) -> float:
    both = " ".join(_lines(group / "cpu.max"))
    if not both:
        both = " ".join([*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")])
    try:
        quota, period = map(int, both.split())
    except ValueError:  # no limit ("max"), or no such files
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _memory(group: Path) -> float:
    text = " ".join(_lines(group / "memory.max") or _lines(group / "memory.limit_in_bytes"))
    # The first version of cgroups says "no limit" with the largest number of pages.
    return float(text) if text.isdecimal() and int(text) < _NO_LIMIT else math.inf


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _unescaped(path: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)


def raise_limit() -> int:
    """Raise the process's limit of open files as far as allowed, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # a container may forbid it
            hard = soft
    return _MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else hard


def max_connections(limit: int) -> int:
    """Return how many connections gRPC may take of `limit`; the rest is kept for everything else, at least a third."""
    return max(1, min(limit - _open_now() - _RESERVED, 2 * limit // 3, _MAX_CONNECTIONS))


def _open_now() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 0


class ProcessMetrics:
    """One set of series in one registry."""

    def __init__(self, registry: CollectorRegistry, *, workers: int) -> None:
        self.lag_seconds = LAG_SECONDS.on(registry)
        WORKERS.on(registry).set(workers)


async def watch_event_loop(observe: Callable[[float], object]) -> None:
    """Call `observe` 20 times a second, without end, with the seconds by which the loop was late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        observe(max(0.0, loop.time() - due))
