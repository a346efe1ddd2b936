"""A message of the protocol as the JSON of its REST form: names as in the proto, enums by name, 64 bits as numbers."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor as Field

if TYPE_CHECKING:
    from google.protobuf.message import Message


def plain(message: Message) -> dict[str, Any]:
    """Return a message as JSON has it, with the defaults of fields that aren't set; messages that aren't are left out.

    The package's own conversion writes integers of 64 bits as texts, which clients of this protocol don't expect.
    """
    result: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_map = field.message_type.fields_by_name["value"]
            result[field.name] = {str(key): _value(of_map, value[key]) for key in value}
        elif field.is_repeated:
            result[field.name] = [_value(field, each) for each in value]
        elif not field.has_presence or message.HasField(field.name):
            result[field.name] = _value(field, value)
    return result


def _value(field: Any, value: Any) -> Any:  # the package has two types of fields
    if field.type == Field.TYPE_MESSAGE:
        return plain(value)
    if field.type == Field.TYPE_ENUM:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named is not None else value
    return b64encode(value).decode() if field.type == Field.TYPE_BYTES else value
