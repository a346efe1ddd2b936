"""Values without keys: their digest tells what was broken or mixed up, and nothing keeps anybody from reading them."""

from __future__ import annotations

from hashlib import sha256

from service.sealing.sealer import BrokenSealError, UnknownKeyError

# The format of the sealer is another one, so a server that has keys takes no plain value, and the other way round.
_FORMAT = b"\x00"
_TEXT_AT = len(_FORMAT) + sha256().digest_size


class PlainSealer:
    """Does what a sealer does, without a secret."""

    def seal(self, text: bytes, bound: bytes) -> bytes:
        """Return `text`, with the digest of it and of `bound`."""
        return _FORMAT + _digest(text, bound) + text

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Return the text.

        Raises:
            UnknownKeyError: it is sealed with a key.
            BrokenSealError: the text or `bound` is another.

        """
        if len(sealed) < _TEXT_AT:
            raise BrokenSealError
        if not sealed.startswith(_FORMAT):
            raise UnknownKeyError
        text = sealed[_TEXT_AT:]
        if sealed[len(_FORMAT) : _TEXT_AT] != _digest(text, bound):
            raise BrokenSealError
        return text


def _digest(text: bytes, bound: bytes) -> bytes:
    return sha256(len(bound).to_bytes(8) + bound + text).digest()
