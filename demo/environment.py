"""What is said of the machine and the versions that figures were measured with."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from bench import machine
from service.app.process_resources import usable_processors

_PACKAGES = ("soloist", "onnxruntime", "grpcio", "numpy", "torch", "onnx")


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
        cpu=machine.processor(),
        cores=usable_processors(),
        platform=platform.platform(),
        python=platform.python_version(),
        versions=machine.versions(_PACKAGES),
    )
