"""Messages that parse and lie: valid ones changed in one place, or made up from the descriptor field by field."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from bench.fuzz import edge_values, valid_requests
from bench.fuzz.methods import CHANGES_MODELS

if TYPE_CHECKING:
    from bench.fuzz.methods import Method
    from bench.fuzz.server_facts import ServerFacts

_DEPTH = 5
Field = Any  # two classes of descriptors are told apart in the types of protobuf, and nowhere else
# How often a list is long, and how long: lists are counted before anything is done with them.
_LONG_SHARE, _LONG_ENTRIES = 0.01, 5_000
_WHERE_MODELS_ARE_NAMED = ("model", "model_name")


def message(method: Method, facts: ServerFacts, rng: Random) -> Message:
    """Draw one message of a method."""
    if rng.random() < 0.85:
        made = valid_requests.request(method, facts, rng)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            change(made, facts, rng)
    else:
        made = method.empty()
        _fill(made, facts, rng, _DEPTH)
    return keep_models(method, made, facts)


def keep_models(method: Method, made: Message, facts: ServerFacts) -> Message:
    """Return the message, naming the spare model where it would unload another: those are needed to the end."""
    if method.name in CHANGES_MODELS:
        others = {model.name for model in facts.models} - {facts.spare.name}
        for field in _WHERE_MODELS_ARE_NAMED:
            if getattr(made, field, "") in others:
                setattr(made, field, facts.spare.name)
    return made


def change(made: Message, facts: ServerFacts, rng: Random) -> None:
    """Change one field somewhere inside, in place."""
    target = rng.choice(list(_inside(made)))
    # A choice of one of several fields clears the others, and most messages are made of what is set.
    is_set: list[Field] = [field for field, _ in target.ListFields()]
    fields: list[Field] = is_set if is_set and rng.random() < 0.7 else list(target.DESCRIPTOR.fields)
    if not fields:
        return
    field = rng.choice(fields)
    if field.name == "shape" and rng.random() < 0.9:
        _change_shape(target, made, rng)
    elif rng.random() < 0.1:
        target.ClearField(field.name)
    elif field.is_repeated:
        _change_list(target, field, facts, rng)
    elif field.message_type is not None:
        _fill(getattr(target, field.name), facts, rng, 1)
    elif field.name == "data" and rng.random() < 0.8:
        target.data = _cut(target.data, rng)  # type: ignore[attr-defined]
    else:
        setattr(target, field.name, edge_values.value(field, facts, rng))


def _change_shape(tensor: Any, made: Any, rng: Random) -> None:
    shape = list(tensor.shape)
    if shape and rng.random() < 0.6:
        for _ in range(rng.choice((1, 1, 2))):
            shape[rng.randrange(len(shape))] = rng.choice(edge_values.SIZES)
    else:
        shape = list(rng.choice(edge_values.SHAPES))
    tensor.ClearField("shape")
    tensor.shape.extend(shape)
    # Where an axis is 0 there are no elements: without any the shape is all that is wrong.
    if 0 in shape and rng.random() < 0.8:
        tensor.ClearField("data" if hasattr(tensor, "data") else "contents")
        for index, each in enumerate(getattr(made, "inputs", ())):
            if each is tensor and index < len(getattr(made, "raw_input_contents", ())):
                made.raw_input_contents[index] = b""


def _inside(made: Message) -> Iterator[Message]:
    yield made
    field: Field
    for field, value in made.ListFields():
        if field.message_type is None:
            continue
        if _is_map(field):
            if field.message_type.fields_by_name["value"].message_type is not None:
                yield from value.values()
        elif field.is_repeated:
            for each in list(value)[:8]:
                yield from _inside(each)
        else:
            yield from _inside(value)


def _fill(made: Message, facts: ServerFacts, rng: Random, depth: int) -> None:
    field: Field
    for field in made.DESCRIPTOR.fields:
        if rng.random() < 0.4:
            continue
        if field.is_repeated:
            for _ in range(rng.choice((0, 1, 2, 3))):
                _append(made, field, facts, rng, depth)
        elif field.message_type is None:
            setattr(made, field.name, edge_values.value(field, facts, rng))
        elif depth:
            getattr(made, field.name).SetInParent()
            _fill(getattr(made, field.name), facts, rng, depth - 1)


def _append(made: Message, field: Field, facts: ServerFacts, rng: Random, depth: int) -> None:
    entries: Any = getattr(made, field.name)
    if _is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        name = edge_values.parameter(rng) if rng.random() < 0.8 else edge_values.value(key, facts, rng)
        if value.message_type is None:
            entries[name] = edge_values.value(value, facts, rng)
        else:
            _fill(entries[name], facts, rng, depth - 1)
    elif field.message_type is None:
        entries.append(edge_values.value(field, facts, rng))
    elif depth:
        _fill(entries.add(), facts, rng, depth - 1)


def _change_list(target: Message, field: Field, facts: ServerFacts, rng: Random) -> None:
    entries: Any = getattr(target, field.name)
    if _is_map(field) or not entries or rng.random() < 0.3:
        _append(target, field, facts, rng, 2)
    elif field.name == "raw_input_contents" and rng.random() < 0.6:
        index = rng.randrange(len(entries))
        entries[index] = _cut(entries[index], rng)
    elif rng.random() < 0.2:
        del entries[rng.randrange(len(entries))]
    else:
        copies = _LONG_ENTRIES if rng.random() < _LONG_SHARE else rng.choice((1, 1, 2, 70))
        entry = entries[rng.randrange(len(entries))]
        if field.message_type is not None:
            copies = max(1, min(copies, 2_000_000 // (1 + entry.ByteSize())))
        entries.extend([entry] * copies)
        if field.message_type is None and rng.random() < 0.5:
            entries[rng.randrange(len(entries))] = edge_values.value(field, facts, rng)


def _cut(data: bytes, rng: Random) -> bytes:
    match rng.randrange(5):
        case 0:
            return data[: rng.randint(0, len(data))]
        case 1:
            return data + rng.randbytes(rng.choice((1, 4, 8)))
        case 2:
            return rng.randbytes(len(data))
        case 3:
            # NaN in every type of numbers with a fraction, and -1 in the others.
            return b"\xff" * len(data)
        case _:
            return data * rng.choice((2, 100, 3000)) if len(data) < 10_000 else b""


def _is_map(field: Field) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
