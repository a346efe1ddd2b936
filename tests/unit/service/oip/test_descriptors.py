"""Every message, enum and method of the protocol, field by field, against the protocol's own list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor

from soloist.oip import grpc_service_pb2, model_config_pb2

FACTS = (Path(__file__).parent / "protocol_fields.txt").read_text().splitlines()
FILES = {
    "model_config.proto": model_config_pb2.DESCRIPTOR,
    "grpc_service.proto": grpc_service_pb2.DESCRIPTOR,
}
_TYPES = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")
}


def _facts(file: str) -> set[str]:
    """Give the lines of one file's part."""
    begin = FACTS.index(f"## {file} inference") + 1
    rest = FACTS[begin:]
    end = next((at for at, line in enumerate(rest) if line.startswith("##")), len(rest))
    return {line.strip() for line in rest[:end]}


@pytest.mark.parametrize("file", FILES)
def test_every_message_enum_and_method_is_the_protocols(file: str) -> None:
    reported = set(_lines(FILES[file]))
    assert reported == _facts(file)
    assert len(reported) > 50


def test_the_package_and_the_service_bear_the_protocols_names() -> None:
    assert {file.package for file in FILES.values()} == {"inference"}
    assert list(grpc_service_pb2.DESCRIPTOR.services_by_name) == ["GRPCInferenceService"]


def _lines(file: FileDescriptor) -> Iterator[str]:
    for enum in file.enum_types_by_name.values():
        yield _enum(enum)
    for message in file.message_types_by_name.values():
        yield from _message(message)
    for service in file.services_by_name.values():
        for method in service.methods:
            sent, answered = _streams(method)
            yield (
                f"rpc {service.name} {method.name} {sent}.{method.input_type.full_name}"
                f" -> {answered}.{method.output_type.full_name}"
            )


def _streams(method: Any) -> tuple[str, str]:
    return "stream " * method.client_streaming, "stream " * method.server_streaming


def _message(message: Descriptor) -> Iterator[str]:
    fields = "; ".join(_field(field) for field in message.fields)
    yield f"{_local(message)}: {fields}".strip()
    for enum in message.enum_types:
        yield _enum(enum)
    for nested in message.nested_types:
        yield from _message(nested)


def _field(field: FieldDescriptor) -> str:
    composite = field.message_type or field.enum_type
    kind = composite.full_name if composite else _TYPES[field.type]
    label = "repeated " if field.is_repeated else ""
    oneof = f" (oneof {field.containing_oneof.name})" if field.containing_oneof else ""
    return f"{field.number} {field.name}: {label}{kind}{oneof}"


def _enum(enum: EnumDescriptor) -> str:
    return f"enum {_local(enum)}: " + ", ".join(f"{value.name}={value.number}" for value in enum.values)


def _local(descriptor: Descriptor | EnumDescriptor) -> str:
    return descriptor.full_name.removeprefix("inference.")
