"""The check of a message's bytes before it is parsed: the length of its names, and how much there is to parse.

Parsing holds up the event loop, on whatever thread it runs: a message of many small fields takes a hundred times as
long as a tensor of the same size. So the content of a message is bounded here, in one walk over its fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_NAME_BYTES
from service.core.written import DELIMITED

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

# At all depths together; a walk over this many takes several milliseconds.
MAX_FIELDS = 10_000
# For integers and booleans sent one by one instead of as raw bytes; parsing this many takes 10 ms.
MAX_ELEMENT_BYTES = 2**20

# Bounded where they are read, with a better error: labels of answers, and what may be the content of a file.
_BOUNDED_ELSEWHERE = {
    "soloist.v1.GroundTruth.prediction_id",
    "soloist.v1.GroundTruth.label",
    "inference.ModelRepositoryParameter.string_param",
}
_VARINT = 0
_FIXED_BYTES = {1: 8, 5: 4}
_GROUPS = (3, 4)
_MAX_VARINT_BYTES = 10
_FIELD_BYTES = 2
_FIXED_TYPES = {
    FieldDescriptor.TYPE_FLOAT,
    FieldDescriptor.TYPE_DOUBLE,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
}


class _MalformedError(Exception):
    """The bytes are no message; the parser will report it."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field to check: a name, a message, or else packed integers."""

    path: str
    message: Descriptor | None = None
    is_name: bool = False


@dataclass(slots=True)
class _Left:
    """How much the rest of the message may hold."""

    fields: int = MAX_FIELDS
    element_bytes: int = MAX_ELEMENT_BYTES


def check(raw: bytes, kind: type[Message]) -> None:
    """Check the bytes of one type of message. What can't be read is left to the parser.

    Raises:
        ServiceError: NAME_TOO_LONG or TOO_MANY_FIELDS.

    """
    size = len(raw)
    if size <= MAX_NAME_BYTES:
        return
    descriptor: Descriptor = kind.DESCRIPTOR  # type: ignore[assignment]  # the stubs have a type of their own
    try:
        # A small message can't hold too much, so only its names are looked at. A field takes two bytes or more.
        _walk(raw, 0, size, descriptor, _Left(), names_only=size <= _FIELD_BYTES * MAX_FIELDS)
    except (IndexError, _MalformedError):
        return


def _walk(raw: bytes, at: int, end: int, descriptor: Descriptor, left: _Left, *, names_only: bool) -> None:
    fields = _named_fields(descriptor) if names_only else _fields(descriptor)
    while at < end:
        tag, at = (raw[at], at + 1) if raw[at] < 0x80 else _varint(raw, at)
        left.fields -= 1
        if left.fields < 0:
            raise ServiceError(Reason.TOO_MANY_FIELDS, limit=MAX_FIELDS, unit="fields")
        kind = tag & 7
        if kind == DELIMITED:
            size, at = (raw[at], at + 1) if raw[at] < 0x80 else _varint(raw, at)
            field = fields.get(tag)
            if field is not None and (not field.is_name or size > MAX_NAME_BYTES):
                _check_field(raw, at, size, field, left, names_only=names_only)
            at += size
        elif kind == _VARINT:
            at = at + 1 if raw[at] < 0x80 else _varint(raw, at)[1]
        elif kind in _FIXED_BYTES:
            at += _FIXED_BYTES[kind]
        elif kind not in _GROUPS:  # our messages have no groups; their content counts like everything else
            raise _MalformedError


def _check_field(raw: bytes, at: int, size: int, field: _Field, left: _Left, *, names_only: bool) -> None:
    if field.is_name:
        raise ServiceError(Reason.NAME_TOO_LONG, field=field.path, bytes=size, max_bytes=MAX_NAME_BYTES)
    if field.message is not None:
        if at + size > len(raw):
            raise _MalformedError
        _walk(raw, at, at + size, field.message, left, names_only=names_only)
    else:
        left.element_bytes -= size
        if left.element_bytes < 0:
            raise ServiceError(Reason.TOO_MANY_FIELDS, limit=MAX_ELEMENT_BYTES, unit="bytes of integers one by one")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    if raw[at + 1] < 0x80:
        return raw[at] & 0x7F | raw[at + 1] << 7, at + 2
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        byte = raw[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise _MalformedError


@cache
def _fields(descriptor: Descriptor) -> dict[int, _Field]:
    """Return the fields to check, by their tags on the wire."""
    found = {}
    for field in descriptor.fields:
        tag = field.number << 3 | DELIMITED
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.full_name not in _BOUNDED_ELSEWHERE:
                found[tag] = _Field(_path(field), is_name=True)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            found[tag] = _Field(_path(field), message=field.message_type)
        elif field.is_repeated and field.type not in {*_FIXED_TYPES, FieldDescriptor.TYPE_BYTES}:
            found[tag] = _Field(_path(field))
    return found


@cache
def _named_fields(descriptor: Descriptor) -> dict[int, _Field]:
    """Return those fields to check that are names, or messages with names at any depth."""
    return {
        tag: field
        for tag, field in _fields(descriptor).items()
        if field.is_name or (field.message is not None and _has_names(field.message, ()))
    }


def _has_names(descriptor: Descriptor, above: tuple[Descriptor, ...]) -> bool:
    """Return whether a message has names at any depth; those `above` it, which may hold each other, are left out."""
    return any(
        field.is_name
        or (
            field.message is not None and field.message not in above and _has_names(field.message, (*above, descriptor))
        )
        for field in _fields(descriptor).values()
    )


def _path(field: FieldDescriptor) -> str:
    return ".".join(field.full_name.split(".")[-2:])
