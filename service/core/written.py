"""Messages that are bytes already: an answer is written once, though its size has to be known before it leaves."""

from __future__ import annotations

from google.protobuf.message import Message

DELIMITED = 2
_BITS, _MORE = 7, 0x80


def written(answer: Message | bytes) -> bytes:
    """Return the bytes of an answer, which may be a message or its bytes."""
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def field(number: int, content: bytes) -> bytes:
    """Return the bytes of a message whose only field is a message or bytes: put behind others, they add a field.

    To put a message into another one, protobuf writes and reads it; here its bytes are copied once.
    Source: Protocol Buffers, "Encoding", section "Message Structure".
    """
    tag, size = number << 3 | DELIMITED, len(content)
    if size < _MORE and tag < _MORE:
        return bytes((tag, size)) + content
    return b"".join((_varint(tag), _varint(size), content))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= _MORE:
        found.append(number & (_MORE - 1) | _MORE)
        number >>= _BITS
    found.append(number)
    return bytes(found)
