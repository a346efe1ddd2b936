"""Pages: one self-contained file each."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render(name: str, **values: Any) -> str:
    """Fill in the template at a path within this package; what it names and isn't given is an error."""
    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name).render(**values)


def _read(name: str) -> str:
    return resources.files("demo").joinpath(name).read_text()
