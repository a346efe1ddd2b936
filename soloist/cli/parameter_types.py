"""The kinds of values that commands take: numbers that are some, text that a message can hold, seeds."""

from __future__ import annotations

import math
from typing import Any

import click
from click.types import StringParamType

from soloist.integers import LARGEST_INT64


class NumberRange(click.FloatRange):
    """A range of numbers. NaN is in none, though no bound excludes it; infinity is only if `infinite`."""

    def __init__(
        self, lower: float, upper: float | None = None, *, min_open: bool = False, infinite: bool = False
    ) -> None:
        super().__init__(lower, upper, min_open=min_open)
        self._infinite = infinite

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raises click.BadParameter."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found) or (math.isinf(found) and not self._infinite):
            self.fail(f"{value} is not a number in the range {self._describe_range()}", param, ctx)
        return found


class Utf8(StringParamType):
    """Text that is UTF-8, as names and addresses are. Other bytes come from Python as halves of characters."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text. Raises click.BadParameter."""
        text = str(super().convert(value, param, ctx))
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8, as names are; was it written in another encoding?", param, ctx)
        return text


UTF8 = Utf8()
# What NumPy, PyTorch and a manifest take.
SEED = click.IntRange(0, LARGEST_INT64)
