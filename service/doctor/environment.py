"""The checks of what is installed: Python, the packages that bits and transports depend on, the processor."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata

from packaging.requirements import Requirement

from service.certificate import fingerprint_here
from service.doctor.finding import Finding, Verdict

_AREA = "environment"
# Those whose arithmetic is in the answers, and those that are pinned exactly because they were tested as they are.
_NUMERIC, _EXACT = ("onnxruntime", "numpy", "onnx", "torch"), ("httpunk",)
_SHOWN = (*_NUMERIC, *_EXACT, "grpcio", "protobuf", "uvloop", "uvicorn", "cryptography")
_VECTORS = ("avx2", "asimd")


def installed_version(name: str) -> str | None:
    """Return the version of a package; None if it isn't installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def environment(
    transport: str = "grpc", version_of: Callable[[str], str | None] = installed_version
) -> Iterator[Finding]:
    """Return findings about Python, packages and processor.

    Args:
        transport: what carries the calls.
        version_of: returns the version of a package, or None.

    """
    yield Finding(area=_AREA, what="Python", found=f"{platform.python_version()} ({sys.executable})")
    yield Finding(area=_AREA, what="system", found=f"{platform.system()} {platform.release()} {platform.machine()}")
    yield from _packages(transport, version_of)
    yield from _processor()


def _packages(needed: str, version_of: Callable[[str], str | None]) -> Iterator[Finding]:
    pins = _pins()
    for name in _SHOWN:
        version = version_of(name)
        if version is None:
            if name == needed:
                remedy = f"pip install 'soloist[fast]', or set transport to grpc ({name} carries the calls)"
                yield _package(name, "not installed", Verdict.WRONG, remedy)
            continue
        pin = pins.get(name)
        if pin is None or pin.specifier.contains(version, prereleases=True):
            yield _package(name, version)
            continue
        # Another numpy doesn't change what the graph computes; another ONNX Runtime does.
        is_wrong = name in ("onnxruntime", *_EXACT)
        remedy = f"pip install '{name}{pin.specifier}': this release was tested with it"
        yield _package(name, version, Verdict.WRONG if is_wrong else Verdict.NOTE, remedy)


def _package(name: str, found: str, verdict: Verdict = Verdict.OK, remedy: str = "") -> Finding:
    return Finding(area=_AREA, what=name, found=found, verdict=verdict, remedy=remedy)


def _pins() -> dict[str, Requirement]:
    """Return what this release asks of each package, extras included."""
    wanted = [Requirement(text) for text in metadata.requires("soloist") or ()]
    return {each.name.lower(): each for each in wanted}


def _processor() -> Iterator[Finding]:
    here = fingerprint_here()
    yield Finding(area=_AREA, what="processor", found=here.cpu_model)
    features = set(here.cpu_features)
    yield Finding(
        area=_AREA,
        what="vector extensions",
        found=" ".join(sorted(features)) or "none known",
        verdict=Verdict.OK if features & set(_VECTORS) else Verdict.NOTE,
        remedy="" if features & set(_VECTORS) else "runs are slow here: use a processor with AVX2, or 64-bit Arm",
    )
    digest = hashlib.sha256(here.SerializeToString(deterministic=True)).hexdigest()
    yield Finding(
        area=_AREA,
        what="fingerprint",
        found=f"{digest[:16]} (ONNX Runtime {here.runtime_version}; certificates hold where it is the same)",
    )
