"""What the tests do only once though torch's exporter would do it in every export: read its operators, trace a model.

A trace is kept under build/ for the same model, the same code and the same libraries, so that test files and runs share
it. Programs that tests start trace for themselves, but for those that get `SHARING`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.artifacts import ROOT, STORE, hash_of_libraries, hash_of_sources, locked, prune

_REGISTRATION = "torch.onnx._internal.exporter._registration"
_SOURCES = ("export", "models")

# The environment of Python programs that trace a great deal.
SHARING = {"PYTHONPATH": f"{ROOT / 'tests' / 'e2e' / 'startup'}{os.pathsep}{ROOT}"}

_anew: ContextVar[bool] = ContextVar("anew", default=False)


def share_work_of_exports() -> None:
    """Let all exports of this process share one table of operators, and all tests their traces.

    Imports nothing into a process that does not export.
    """
    if "export.graph" in sys.modules:
        _read_operators_once()
        _keep_traces(STORE / "traces")


@contextmanager
def traced_anew() -> Iterator[None]:
    """Trace as if nothing were kept."""
    token = _anew.set(True)
    try:
        yield
    finally:
        _anew.reset(token)


def _read_operators_once() -> None:
    """Hand copies of one table to all exports: reading it anew takes a good part of a small export."""
    registry: Any = importlib.import_module(_REGISTRATION).ONNXRegistry
    read = functools.cache(registry.from_torchlib)

    def copied(*arguments: Any, **options: Any) -> Any:
        table = read(*arguments, **options)
        copy = registry()
        copy.__dict__.update(table.__dict__)
        # An export puts the operators that it is given into the lists.
        copy.functions = {name: list(found) for name, found in table.functions.items()}
        return copy

    registry.from_torchlib = staticmethod(copied)


@dataclass(frozen=True)
class _Kept:
    """A program that was read back: all that an export takes of it is a graph of its own."""

    content: bytes

    @property
    def model_proto(self) -> Any:
        import onnx

        return onnx.load_from_string(self.content)


def _keep_traces(traces: Path) -> None:
    code = hashlib.sha256((hash_of_sources(_SOURCES) + hash_of_libraries()).encode()).hexdigest()[:16]
    with locked(traces.with_suffix(".lock")):
        prune(traces / code)
    torch_onnx: Any = importlib.import_module("torch.onnx")
    torch_onnx.export = keeping(torch_onnx.export, traces / code)


def keeping(export: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Return `torch.onnx.export` that reads from `folder` what was traced before."""

    @functools.wraps(export)
    def kept(model: Any, arguments: Any, **options: Any) -> Any:
        key = None if _anew.get() else _key(model, arguments, options)
        if key is None:
            return export(model, arguments, **options)
        path = folder / f"{key}.onnx"
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                content = export(model, arguments, **options).model_proto.SerializeToString(deterministic=True)
                unfinished = path.with_suffix(".part")
                unfinished.write_bytes(content)
                unfinished.rename(path)
        return _Kept(path.read_bytes())

    return kept


def _key(*exported: Any) -> str | None:
    """Hash a model with its weights and sizes, and how it is exported; None for what can't be written down."""
    written = io.BytesIO()
    pickler = _Pickler(written)
    with suppress(pickle.PicklingError, AttributeError, TypeError, RuntimeError):
        pickler.dump(exported)
        own = "".join(sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in pickler.files))
        return hashlib.sha256(own.encode() + written.getvalue()).hexdigest()[:32]
    return None


class _Pickler(pickle.Pickler):
    """Writes tensors by their content, and remembers the tests' files from which objects come."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.fast = True  # without references to what was written before: equal texts needn't be one object
        self.files: set[Path] = set()

    def persistent_id(self, obj: Any) -> Any:
        import torch

        if isinstance(obj, set | frozenset):  # their order is another in every process
            return sorted(map(repr, obj))
        module = sys.modules.get(getattr(type(obj), "__module__", ""))
        path = Path(getattr(module, "__file__", None) or "/")
        if path.is_relative_to(ROOT / "tests"):
            self.files.add(path)
        if isinstance(obj, torch.Tensor):
            raw = obj.detach().contiguous().numpy().tobytes()
            return str(obj.dtype), tuple(obj.shape), obj.requires_grad, hashlib.sha256(raw).digest()
        return str(obj) if isinstance(obj, torch._ops.OpOverload) else None
