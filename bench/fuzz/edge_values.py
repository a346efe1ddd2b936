"""Values that programs stumble over, of every type that a field can have."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

if TYPE_CHECKING:
    from bench.fuzz.server_facts import ServerFacts
    from soloist.oip.grpc_service_pb2 import InferParameter

_SIGNED_32 = (0, 1, -1, 2, 7, 31, 32, 33, 64, 65, 100, 255, 256, 1000, 10_001, 2**15, 2**16, 2**31 - 1, -(2**31))
_SIGNED_64 = (*_SIGNED_32, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63 - 2, -(2**63), -(2**62), 10**12, -(10**12))
_UNSIGNED = {32: (0, 1, 2, 255, 2**31, 2**32 - 1), 64: (0, 1, 255, 2**32, 2**63, 2**64 - 1)}
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, math.nan, math.inf, -math.inf, 5e-324, 1e-45, 1e-38, 3.4e38, 100.0, 1e6, -1e-9)
_DOUBLES = (*_FLOATS, 1.7e308, -1.7e308, 100.00000000000001)
_TEXTS = (
    "", " ", "0", "-1", "1", "01", "+1", "1.0", "0x1", "NaN", "None", "true", "stable", "canary", "latest", "\x00",
    "a\x00b", "\n", "\r\n\t", "\x7f\x80\x9f", "²", "٣", "１", "💥", "\u202e", "\ufffe\uffff", "\U000e0001" * 256,
    "💥" * 300, "{model!r}", "{0}", "%s%n", "../../etc/passwd", "/", "soloist.v1.SequenceInference", "'\"\\", "a" * 63,
    "a" * 64, "a" * 257, "9" * 19, "9" * 20, "9" * 5000, "0" * 5000 + "1", "a" * 70_000, "file:1", "config",
)  # fmt: skip
_LONG_TEXT_CHARACTERS = 1_000_000
_DATATYPES = ("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
              "BYTES", "BF16", "fp32", "")  # fmt: skip
_PARAMETERS = ("sequence_id", "sequence_start", "sequence_end", "sequence_first_frame", "timeout",
               "binary_data_output", "classification", "shared_memory_region", "priority",
               "triton_enable_empty_final_response", "prediction_id", "config", "file:x", "")  # fmt: skip
SIZES = (0, 0, 0, 1, 2, -1, 33, 2**20, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
SHAPES: tuple[tuple[int, ...], ...] = (
    (), (0,), (1,), (-1,), (0, 0), (1, 0), (0, 1), (2**63 - 1, 0), (0, 2**63 - 1), (2**63 - 1, 2**63 - 1),
    (2**62, 4), (2**32, 2**32), (-(2**63),), (-1, -1), (1, 2**63 - 1, 0), (0, 2**62, 2**62), (1,) * 32, (1,) * 33,
    (1,) * 64, (1,) * 65, (0,) * 65, (1,) * 5000, (2**31, 0, 2**31), (1, 1, -1),
)  # fmt: skip


def value(field: FieldDescriptor, facts: ServerFacts, rng: Random) -> Any:
    """Draw a value for one entry of a field that is no message."""
    kind = field.cpp_type
    match kind:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return rng.randbytes(rng.choice((0, 1, 3, 4, 7, 8, 64)))
        case FieldDescriptor.CPPTYPE_STRING:
            return text(field.name, facts, rng)
        case FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.CPPTYPE_ENUM:
            # An enum of proto3 takes numbers that it has no name for.
            return rng.choice((*cast(EnumDescriptor, field.enum_type).values_by_number, -1, 99, 2**31 - 1))
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return rng.choice(_DOUBLES)
        case FieldDescriptor.CPPTYPE_FLOAT:
            return rng.choice(_FLOATS)
        case FieldDescriptor.CPPTYPE_INT32:
            return rng.choice(_SIGNED_32)
        case FieldDescriptor.CPPTYPE_UINT32:
            return rng.choice(_UNSIGNED[32])
        case FieldDescriptor.CPPTYPE_UINT64:
            return rng.choice(_UNSIGNED[64])
        case _:
            return rng.choice(_SIGNED_64) if rng.random() < 0.8 else rng.getrandbits(64) - 2**63


def text(name: str, facts: ServerFacts, rng: Random) -> str:
    """Draw a text for a field of this name: one that means something there as often as one that doesn't."""
    if rng.random() < 0.5:
        return _meant(name, facts, rng)
    if rng.random() < 0.002:
        return rng.choice("a💥\x00") * _LONG_TEXT_CHARACTERS
    return rng.choice(_TEXTS)


def fill_parameter(given: InferParameter, rng: Random) -> None:
    """Set a parameter to a value of any type that it can have."""
    match rng.randrange(5):
        case 0:
            given.bool_param = rng.random() < 0.5
        case 1:
            given.string_param = rng.choice(_TEXTS)
        case 2:
            given.double_param = rng.choice(_DOUBLES)
        case 3:
            given.uint64_param = rng.choice(_UNSIGNED[64])
        case _:
            given.int64_param = rng.choice(_SIGNED_64)


def parameter(rng: Random) -> str:
    """Draw the name of a parameter."""
    return rng.choice(_PARAMETERS)


def _meant(name: str, facts: ServerFacts, rng: Random) -> str:
    model = facts.draw(rng)
    match name:
        case "datatype":
            return rng.choice(_DATATYPES)
        case "prediction_id":
            return facts.prediction_id(rng)
        case "version" | "model_version" | "version_label" | "label":
            return rng.choice(("", "1", "2", "stable", "canary", str(model.version), *list(model.manifest.labels)[:3]))
        case "key":
            return parameter(rng)
        case "file_containing_symbol" | "file_by_filename" | "service":
            return rng.choice((model.name, "soloist.v1.SequenceInference", "inference.GRPCInferenceService", "x.proto"))
        case "name" | "input":
            return rng.choice([model.name, *facts.names(model)])
        case _:
            return model.name
