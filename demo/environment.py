"""What is said of the machine and the versions that figures were measured with."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from service.app.process_resources import usable_processors

_PACKAGES = ("soloist", "onnxruntime", "grpcio", "numpy", "torch", "onnx")
_CPU_INFO = Path("/proc/cpuinfo")  # Linux; elsewhere the platform module knows


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where it was measured."""

    cpu: str
    cores: int
    platform: str
    python: str
    versions: dict[str, str]


def this_environment() -> Environment:
    """Return what is known of this machine."""
    return Environment(
        cpu=_cpu(),
        cores=usable_processors(),
        platform=platform.platform(),
        python=platform.python_version(),
        versions={package: version(package) for package in _PACKAGES},
    )


def _cpu() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
