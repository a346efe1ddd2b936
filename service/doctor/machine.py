"""The checks of what the system lets a server take: processors, memory, open files, core dumps."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from service.app.process_resources import cpu_quota, max_connections, memory_limit, usable_processors
from service.app.settings import Settings
from service.doctor.finding import Finding, Verdict, size

_AREA = "machine"
_ROOT = Path("/")
_PATTERN = "proc/sys/kernel/core_pattern"
# Python, ONNX Runtime and a few small models, before anything is asked.
_LEAST_MEMORY = 256 * 2**20


def machine(settings: Settings, root: Path = _ROOT) -> Iterator[Finding]:
    """Return findings about the limits of this machine and this process.

    Args:
        settings: what the server would take.
        root: the folder of /proc and /sys.

    """
    yield _processors(settings, root)
    yield _memory(settings, root)
    yield _open_files(settings)
    yield _core_dumps(settings, root)


def _processors(settings: Settings, root: Path) -> Finding:
    usable, quota = usable_processors(root), cpu_quota(root)
    limited = "no quota" if math.isinf(quota) else f"a quota of {quota:g}"
    busy = settings.workers * settings.processes
    too_many = busy > usable
    return Finding(
        area=_AREA,
        what="processors",
        found=f"{os.cpu_count()} there, {usable} usable ({limited}); {busy} workers",
        verdict=Verdict.NOTE if too_many else Verdict.OK,
        remedy=f"runs wait for each other: set workers to {max(1, usable // settings.processes)}" if too_many else "",
    )


def _memory(settings: Settings, root: Path) -> Finding:
    limit, available = memory_limit(root), _available(root)
    most = min(limit, available)
    may_take = settings.processes * (settings.max_inflight_bytes + settings.max_state_bytes)
    found = f"{size(available)} available, " if not math.isinf(available) else ""
    found += "no limit of a control group" if math.isinf(limit) else f"{size(limit)} allowed by its control group"
    found += f"; calls and sessions may take {size(may_take)}"
    if most < _LEAST_MEMORY:
        remedy = f"a server needs at least {size(_LEAST_MEMORY)}: give it more"
        return Finding(area=_AREA, what="memory", found=found, verdict=Verdict.WRONG, remedy=remedy)
    if may_take > most:
        remedy = "under load the system may kill the server: lower max_inflight_bytes and max_state_bytes"
        return Finding(area=_AREA, what="memory", found=found, verdict=Verdict.NOTE, remedy=remedy)
    return Finding(area=_AREA, what="memory", found=found)


def _available(root: Path) -> float:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else math.inf


def _open_files(settings: Settings) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections
    most = wanted if hard == resource.RLIM_INFINITY else max_connections(hard)
    shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    found = f"{soft}, may be raised to {shown}; {min(most, wanted)} of {wanted} connections"
    if most >= wanted:
        return Finding(area=_AREA, what="open files", found=found)
    remedy = f"raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn), or set max_connections to {most}"
    return Finding(area=_AREA, what="open files", found=found, verdict=Verdict.NOTE, remedy=remedy)


def _core_dumps(settings: Settings, root: Path) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        pattern = (root / _PATTERN).read_text().strip().partition(" ")[0]
    except OSError:
        pattern = "unknown"
    words = {0: "none", resource.RLIM_INFINITY: "of any size"}
    allowed = words.get(soft, f"of at most {size(soft)}")
    most = words.get(hard, f"at most {size(hard)}")
    if not settings.core_dumps:
        return Finding(area=_AREA, what="core dumps", found="none: the server forbids its own")
    found = f"{allowed} (hard limit: {most}), written to {pattern}"
    remedy = "a dump holds what users sent: leave core_dumps off, unless you look for a crash"
    return Finding(area=_AREA, what="core dumps", found=found, verdict=Verdict.NOTE, remedy=remedy)
