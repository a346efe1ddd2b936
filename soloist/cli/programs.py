"""The access of the command line to other packages: by name, when a command runs, never on import."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable
from typing import Any

import click

# The modules of each extra in pyproject.toml: a missing module names the extra to install.
_EXTRA_OF = {
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "rich": "export",
    "scipy": "export",
    "hdrh": "bench",
    "jinja2": "bench",
    "matplotlib": "bench",
    "httpunk": "fast",
    "uvloop": "fast",
}


def load(module: str, name: str, *, extras: str = "") -> Callable[..., Any]:
    """Import a function of another package of ours; if it is not installed, show a friendly error, exit code 1.

    `extras` are those that the whole command needs ("export,bench"); without it the extra of the missing module is
    named.
    """
    collecting = gc.isenabled()
    gc.disable()  # it would look again and again at what imports make, which stays
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA_OF:
            raise
        wanted = extras or _EXTRA_OF[missing]
        raise click.ClickException(f"{missing} is not installed: pip install 'soloist[{wanted}]'") from None
    finally:
        if collecting:
            gc.enable()
    return function
