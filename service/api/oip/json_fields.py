"""The reading of JSON: bounded, and every field checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_NAME_BYTES

# Parsing holds up the event loop on whatever thread it runs: this much takes about 10 ms.
MAX_JSON_BYTES = 2 * 2**20
_MAX_NESTED = 50_000

Fields = Mapping[str, Any]


def parse(text: bytes) -> Fields:
    """Return the one object of a text; no text stands for an empty one.

    Raises:
        ServiceError: TOO_MANY_FIELDS or JSON_INVALID.

    """
    if len(text) > MAX_JSON_BYTES:
        raise ServiceError(Reason.TOO_MANY_FIELDS, limit=MAX_JSON_BYTES, unit="bytes of JSON")
    if text.count(b"[") + text.count(b"{") > _MAX_NESTED:
        raise ServiceError(Reason.TOO_MANY_FIELDS, limit=_MAX_NESTED, unit="lists and objects")
    if not text.strip():
        return {}
    try:
        return as_object(orjson.loads(text), "the body")
    except orjson.JSONDecodeError:
        raise ServiceError(Reason.JSON_INVALID, field="the body", expected="JSON") from None


def as_object(value: object, field: str) -> Fields:
    """Return an object.

    Raises:
        ServiceError: JSON_INVALID.

    """
    if not isinstance(value, dict):
        raise ServiceError(Reason.JSON_INVALID, field=field, expected="an object")
    return value


def objects(owner: Fields, name: str) -> list[Fields]:
    """Return a list of objects, empty if the field is missing.

    Raises:
        ServiceError: JSON_INVALID.

    """
    value = owner.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ServiceError(Reason.JSON_INVALID, field=name, expected="a list of objects")
    return [as_object(each, name) for each in value]


def object_of(owner: Fields, name: str) -> Fields:
    """Return an object, empty if the field is missing.

    Raises:
        ServiceError: JSON_INVALID or NAME_TOO_LONG.

    """
    value = owner.get(name)
    if value is None:
        return {}
    for key in as_object(value, name):
        short(key, name)
    return as_object(value, name)


def text_of(owner: Fields, name: str) -> str:
    """Return a text, empty if the field is missing.

    Raises:
        ServiceError: JSON_INVALID or NAME_TOO_LONG.

    """
    value = owner.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ServiceError(Reason.JSON_INVALID, field=name, expected="a text")
    return short(value, name)


def short(value: str, field: str) -> str:
    """Return a name, an id or the like, which may not be longer than in any other message.

    Raises:
        ServiceError: NAME_TOO_LONG.

    """
    size = len(value.encode(errors="replace"))
    if size > MAX_NAME_BYTES:
        raise ServiceError(Reason.NAME_TOO_LONG, field=field, bytes=size, max_bytes=MAX_NAME_BYTES)
    return value


def sizes_of(owner: Fields, name: str) -> list[int]:
    """Return a list of integers of 64 bits.

    Raises:
        ServiceError: JSON_INVALID.

    """
    value = owner.get(name)
    if isinstance(value, list) and all(type(each) is int and -(2**63) <= each < 2**63 for each in value):
        return value
    raise ServiceError(Reason.JSON_INVALID, field=name, expected="a list of integers")
