"""On what machine, and with what versions, a run was made."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_SERVING = ("soloist", "onnxruntime", "numpy", "grpcio", "protobuf", "httpunk", "uvloop", "uvicorn")


def facts() -> dict[str, str]:
    """Return the processor, its cores, the kernel and Python."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }


def versions(packages: Iterable[str] = _SERVING) -> dict[str, str]:
    """Return the versions of packages, without those that this program hasn't got. Default: those of what serves."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Return the name of the processor: Linux says it in a file, elsewhere the platform module knows."""
    known = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return known
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, known)
