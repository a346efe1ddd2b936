"""What one process does only once though torch's exporter would do it in every export: read its table of operators."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

_MODULE = "torch.onnx._internal.exporter._registration"


def read_operators_once() -> None:
    """Hand copies of one table to all exports of this process: reading it anew takes a good part of a small export.

    Imports nothing into a process that does not export.
    """
    if "export.graph" not in sys.modules:
        return
    registry: Any = importlib.import_module(_MODULE).ONNXRegistry
    read = functools.cache(registry.from_torchlib)

    def copied(*arguments: Any, **options: Any) -> Any:
        table = read(*arguments, **options)
        copy = registry()
        copy.__dict__.update(table.__dict__)
        # An export puts the operators that it is given into the lists.
        copy.functions = {name: list(found) for name, found in table.functions.items()}
        return copy

    registry.from_torchlib = staticmethod(copied)
