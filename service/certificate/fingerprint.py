"""The fingerprint: processor, build and options of the runtime, on which bits depend in addition to the model."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from service.engine.onnx_runtime import ort
from service.engine.session import numerics_options
from soloist.v1.certificate_pb2 import Fingerprint

_CPU_INFO = Path("/proc/cpuinfo")
# Processor flags by which kernels are chosen, of x86-64 and Arm.
_VECTOR_PREFIXES = ("sse", "ssse", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "neon", "bf16", "i8mm")


def fingerprint_here() -> Fingerprint:
    """Return the fingerprint of this machine and this runtime."""
    info = _cpu_info()
    return Fingerprint(
        cpu_model=info.get("model name") or info.get("CPU part") or platform.processor() or platform.machine(),
        cpu_features=_vector_features(info.get("flags") or info.get("Features") or ""),
        runtime_version=ort.__version__,
        runtime_build=ort.get_build_info(),
        session_options=numerics_options(),
    )


@cache
def _cpu_info() -> dict[str, str]:
    """Return the entries of the first processor, read once; empty if the system has no such file."""
    try:
        text = _CPU_INFO.read_text()
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _vector_features(flags: str) -> list[str]:
    return sorted(flag for flag in flags.split() if flag.startswith(_VECTOR_PREFIXES))
