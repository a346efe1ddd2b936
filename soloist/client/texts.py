"""The texts that callers give: what a message can hold of them."""

from __future__ import annotations


def utf8(argument: str, text: str) -> str:
    """Return a text that a message can hold.

    Raises:
        ValueError: It has halves of characters, as Python makes of bytes that aren't UTF-8; the message names the
            argument.

    """
    try:
        text.encode()
    except UnicodeEncodeError:
        # Not protobuf's own error, which names no argument.
        raise ValueError(f"{argument} is {text!r}, which has no UTF-8 form") from None
    return text
