"""Files of a version that lie: an ONNX file changed in bytes, structure or manifest, a text in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from bench.fuzz.malformed_messages import malformed
from soloist.onnx.outline_pb2 import ModelProto

# What can be changed, and how often each is, if a version has it.
_WAYS = {"bytes": 3, "structure": 4, "manifest": 3, "text": 4}
_MANIFEST = b"soloist.v1.Model"
_TEXTS = (".pbtxt", ".json", ".txt")
_NUMBERS = (0, 1, -1, 2, 7, 127, 128, 2**16, 2**31 - 1, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))
_WORDS = (
    "", "\0", "../../etc/passwd", "/dev/zero", "weights.bin", "a" * 5_000, "💥", "Loop", "If", "Scan", "Identity",
    "ConstantOfShape", "Range", "Expand", "Tile", "NonZero", "com.microsoft", "com.example", "ai.onnx.ml", "x", "y",
)  # fmt: skip
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.+-]+|[{}\[\]:,]')
_TOKENS = (
    "-1", "0", "1e999", "9" * 5_000, "NaN", "null", "true", '""', '"\\\\377"', "{", "}", "[", "]", "[" * 5_000, ":",
    ",", '"' + "\\\\" * 5_000 + '"', "TYPE_STRING", "TYPE_FP64", "9223372036854775807", '"../x"', "\ud7ff", "#",
)  # fmt: skip


def mutate(version: Path, rng: Random) -> str:
    """Change one file of a version, or of its model's folder, in place, and return what was changed."""
    graph = version / "model.onnx"
    texts = [path for path in (*version.parent.iterdir(), *version.iterdir()) if path.suffix in _TEXTS]
    content = graph.read_bytes()
    has = {"text": bool(texts), "manifest": _MANIFEST in content}
    ways = {way: weight for way, weight in _WAYS.items() if has.get(way, True)}
    (way,) = rng.choices(list(ways), list(ways.values()))
    if way == "text":
        path = rng.choice(texts)
        path.write_text(_changed_text(path.read_text(), rng), errors="surrogatepass")
        return path.name
    match way:
        case "bytes":
            graph.write_bytes(malformed(content, rng))
        case "structure":
            graph.write_bytes(_changed_structure(content, rng))
        case _:
            graph.write_bytes(_changed_manifest(content, rng))
    return f"model.onnx, its {way}"


def _changed_text(text: str, rng: Random) -> str:
    for _ in range(rng.choice((1, 1, 2, 4))):
        begin, end = rng.choice([place.span() for place in _TOKEN.finditer(text)] or [(0, 0)])
        match rng.randrange(4):
            case 0:
                text = text[:begin] + text[end:]
            case 1:
                text = text[:end] + text[begin:end] * rng.choice((1, 3, 1000)) + text[end:]
            case 2:
                text = text[:begin] + rng.choice(_TOKENS) + text[end:]
            case _:
                text = text[:begin]
    return text


def _changed_manifest(content: bytes, rng: Random) -> bytes:
    model = ModelProto.FromString(content)
    entry = rng.choice(model.metadata_props)
    entry.value = _changed_text(entry.value, rng)
    return model.SerializeToString()


def _changed_structure(content: bytes, rng: Random) -> bytes:
    """Change fields somewhere inside. What isn't in the outline stays as it is."""
    try:
        model = ModelProto.FromString(content)
    except DecodeError:
        return malformed(content, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        target = rng.choice(list(_inside(model)))
        _change(target, rng.choice(list(target.DESCRIPTOR.fields)), rng)
    return model.SerializeToString()


def _inside(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for each in value if field.is_repeated else (value,):
                yield from _inside(each)


def _change(target: Message, field: Any, rng: Random) -> None:
    if not field.is_repeated:
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            getattr(target, field.name).SetInParent()
        else:
            setattr(target, field.name, _value(field, rng))
        return
    entries = getattr(target, field.name)
    if entries and rng.random() < 0.4:
        del entries[rng.randrange(len(entries))]
    elif field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
        entries.append(_value(field, rng))
    elif entries:
        entries.extend([rng.choice(entries)] * rng.choice((1, 2, 50)))
    else:
        entries.add()


def _value(field: Any, rng: Random) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return rng.choice(_WORDS)
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT32:
        return rng.choice([each for each in _NUMBERS if -(2**31) <= each < 2**31])
    return rng.choice(_NUMBERS)
