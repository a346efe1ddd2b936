"""--input NAME=FILE.npy: what a model made elsewhere reads beside the frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import numpy as np

_F = TypeVar("_F", bound=Callable[..., Any])


def inputs_option(command: _F) -> _F:
    """Add --input to a command; it gets `inputs`, arrays by name."""
    told = "An input beside the frames, an array of exactly the model's type; may be repeated."
    option = click.option("--input", "inputs", metavar="NAME=FILE.npy", multiple=True, callback=_read, help=told)
    return option(command)


def _read(_ctx: click.Context, _parameter: click.Parameter, told: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    from soloist.cli.npy_file import array_of

    found: dict[str, np.ndarray[Any, Any]] = {}
    for each in told:
        name, equals, file = each.partition("=")
        if not (name and equals) or name in found:
            raise click.BadParameter(f"{each!r} is not NAME=FILE.npy, or the second of its name")
        try:
            found[name] = array_of(Path(file).read_bytes())
        except (OSError, ValueError) as error:
            raise click.BadParameter(f"{file}: {error}") from error
    return found
