"""Bytes that are no message, or hardly one: cut, flipped, nested without end, of the wrong wire type."""

from __future__ import annotations

from random import Random

_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
_LONGEST_RANDOM = 300


def malformed(valid: bytes, rng: Random) -> bytes:
    """Return bytes made out of those of a valid message."""
    match rng.randrange(9):
        case 0:
            return rng.randbytes(rng.randint(0, _LONGEST_RANDOM))
        case 1:
            return valid[: rng.randint(0, len(valid))]
        case 2:
            return _flipped(valid, rng)
        case 3:
            return _nested(rng)
        case 4:
            return valid + _tag(rng.randint(1, 12), rng.randrange(8)) + rng.randbytes(rng.randint(0, 12))
        case 5:
            return valid + _tag(rng.randint(1, 12), _VARINT) + b"\xff" * rng.choice((9, 10, 11))
        case 6:
            return valid + _tag(rng.randint(1, 12), _BYTES) + _varint(rng.choice((2**31 - 1, 2**32, 2**63, 2**64 - 1)))
        case 7:
            # No text: a lone surrogate, an overlong zero, a byte out of place.
            return _text(rng.randint(1, 8), rng.choice((b"\xed\xa0\x80", b"\xc0\x80", b"\x80", b"\xff\xfe"))) + valid
        case _:
            middle = rng.randint(0, len(valid))
            return valid[middle:] + valid[:middle] if rng.random() < 0.5 else valid * 2


def _flipped(valid: bytes, rng: Random) -> bytes:
    flipped = bytearray(valid or b"\x0a")
    for _ in range(rng.choice((1, 1, 2, 8))):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _nested(rng: Random) -> bytes:
    number, depth = rng.randint(1, 8), rng.choice((50, 99, 100, 101, 1_000, 10_000))
    if rng.random() < 0.3:
        return _tag(number, _GROUP) * depth + (_tag(number, _END_GROUP) * depth if rng.random() < 0.5 else b"")
    inner = b""
    for _ in range(min(depth, 1_000)):
        inner = _text(number, inner)
    return inner


def _text(number: int, data: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(data)) + data


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
