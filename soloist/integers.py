"""The numbers that messages and gRPC can hold, and what is said of others."""

from __future__ import annotations

import operator

# Of a message.
LARGEST_INT32 = 2**31 - 1
LARGEST_INT64 = 2**63 - 1
# Of a time limit, thirty years: gRPC counts nanoseconds in 64 bits, and takes a time beyond them for one that is over.
LONGEST_SECONDS = 1e9


def int32(argument: str, value: int) -> int:
    """Return an integer that a field of 32 bits can hold; raises as `int64`."""
    return _bounded(argument, value, bits=32)


def int64(argument: str, value: int) -> int:
    """Return an integer that a field of 64 bits can hold.

    Raises:
        TypeError: It is no integer; the message names the argument. Integers of numpy are some, True is none.
        ValueError: It is too small or too large; the message names the argument and the range.

    """
    return _bounded(argument, value, bits=64)


def positive(argument: str, value: int) -> int:
    """Return an integer that is at least 1; raises as `int64`."""
    if (found := _integer(argument, value)) < 1:
        raise ValueError(f"{argument} must be at least 1, not {found}")
    return found


def whole_number(text: str, largest: int) -> int | None:
    """Return the number that a text is in decimal digits; None if it is none from 0 to `largest`."""
    # Python converts no text of thousands of digits.
    if not text.isdecimal() or len(text) > len(str(largest)):
        return None
    found = int(text)
    return found if found <= largest else None


def _bounded(argument: str, value: int, *, bits: int) -> int:
    found = _integer(argument, value)
    if not -(2 ** (bits - 1)) <= found < 2 ** (bits - 1):
        # Without the number: Python writes none of thousands of digits.
        raise ValueError(f"{argument} must be from -2^{bits - 1} to 2^{bits - 1} - 1")
    return found


def _integer(argument: str, value: int) -> int:
    # Not protobuf's own errors, which name no argument.
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{argument} must be an integer, not {type(value).__name__}")
