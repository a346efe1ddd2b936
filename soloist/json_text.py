"""The JSON of every command, report and log line: a number that is not finite is null, since JSON has none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(value: Any, *, indent: int | None = None, **options: Any) -> str:
    """Return a value as JSON: one line, unless `indent` is given. `options` are those of `json.dumps`."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False, **options)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):  # an array or a scalar of numpy, which is not imported here
        return _plain(value.tolist())
    return value
