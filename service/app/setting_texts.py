"""The texts of each setting, by group: flag, variable, unit, bounds, default and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from service.app.settings import Settings, flag_of, variable_of

_UNITS = ("seconds", "bytes", "frames", "ratio", "port")
_KINDS = {"boolean": "switch", "integer": "number", "number": "number", "array": "host", "string": "text"}
# A default is also shown in the largest unit of which it is a whole number.
_LARGER = {
    "seconds": ((86_400, "d"), (3600, "h"), (60, "min")),
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")),
}


@dataclass(frozen=True, kw_only=True)
class SettingText:
    """One setting in words.

    `kind` is its unit or type in one word. `choices` and `bounds` are empty if there are none; `default` is empty if a
    value is required. `switch` has a second flag, --no-…; `repeated` says that the flag may be given again.
    """

    name: str
    flag: str
    variable: str
    kind: str
    switch: bool
    repeated: bool
    choices: tuple[str, ...]
    bounds: str
    default: str
    description: str


@dataclass(frozen=True, kw_only=True)
class GroupText:
    """A group of settings that belong together, in words."""

    title: str
    description: str
    settings: tuple[SettingText, ...]


def setting_groups() -> tuple[GroupText, ...]:
    """Return all settings by group, in the order of their declaration."""
    return tuple(
        GroupText(
            title=str(group.model_config["title"]),
            description=str(group.__doc__),
            settings=tuple(_text(name, schema) for name, schema in group.model_json_schema()["properties"].items()),
        )
        for group in Settings.__bases__
        if issubclass(group, BaseModel)
    )


def _text(name: str, schema: Mapping[str, Any]) -> SettingText:
    # An optional setting has two types there, its own and null.
    own = schema["anyOf"][0] if "anyOf" in schema else schema
    kind = _kind(name, own)
    return SettingText(
        name=name,
        flag=flag_of(name),
        variable=variable_of(name),
        kind=kind,
        switch=own["type"] == "boolean",
        repeated=own["type"] == "array",
        choices=tuple(own.get("enum", ())),
        bounds=_bounds(own),
        default=_default(schema["default"], kind) if "default" in schema else "",
        description=schema["description"],
    )


def _kind(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "path":
        return "path"
    units = [word for word in name.split("_") if word in _UNITS and schema["type"] in ("integer", "number")]
    return units[0] if units else _KINDS[schema["type"]]


def _bounds(schema: Mapping[str, Any]) -> str:
    least, above, most = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f"{_number(least)} to {_number(most)}"
    words = {"at least": least, "more than": above, "at most": most}
    return ", ".join(f"{word} {_number(value)}" for word, value in words.items() if value is not None)


def _default(value: object, kind: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    if not isinstance(value, int | float):
        return "none" if value is None else str(value)
    for size, unit in _LARGER.get(kind, ()):
        if value and value % size == 0:
            return f"{_number(value)} ({_number(value / size)} {unit})"
    return _number(value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
