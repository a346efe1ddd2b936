"""The sealer: AES-256-GCM under keys that are derived for a bounded number of seals.

A nonce that comes twice under one key gives AES-GCM away. Random nonces of 96 bits are good for 2^32 seals of a key
(NIST SP 800-38D, section 8.3), which all servers with the key would have to count together. So no key of the file seals
by itself. A sealer draws a salt of 128 random bits, derives a key with HKDF-SHA256 (RFC 5869), uses it for 2^20 seals
with random nonces, and then draws another. Nothing is counted across servers. Two nonces under one derived key are
equal with a chance of 2^-57. Two of 2^40 salts, which are good for 2^60 seals, are equal with a chance of 2^-49, and
even then two nonces would have to be. Nonces are random, not counted: a copy of a running machine would count on from
the same number.

Sealed bytes: format (1), key id (8), salt (16), nonce (12), then what AES-GCM returns: as long as the text, and a tag.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.sealing.keys_file import ID_BYTES, KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.sealing.keys_file import Key

_FORMAT = b"\x01"
_PURPOSE = b"soloist state 1"
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SEALS_PER_SALT = 2**20
# Derived keys of other servers that are kept: to derive one takes longer than to open a small state.
_KEPT = 256
_KEY_AT = len(_FORMAT)
_SALT_AT = _KEY_AT + ID_BYTES
_NONCE_AT = _SALT_AT + _SALT_BYTES
_TEXT_AT = _NONCE_AT + _NONCE_BYTES
OVERHEAD_BYTES = _TEXT_AT + _TAG_BYTES


class BrokenSealError(Exception):
    """The bytes weren't sealed so: they were changed, cut, or belong to something else."""


class UnknownKeyError(Exception):
    """The bytes are sealed with a key that isn't in the file."""


class _Sealing(NamedTuple):
    key: Key
    head: bytes
    cipher: AESGCM


class Sealer:
    """Seals and opens with the keys that `newest` and `by_id` return. Belongs to one thread."""

    def __init__(self, newest: Callable[[], Key], by_id: Callable[[bytes], Key | None]) -> None:
        """Create a sealer.

        Args:
            newest: returns the key that seals now.
            by_id: returns a key by its id, or None.

        """
        self._newest = newest
        self._by_id = by_id
        self._sealing: _Sealing | None = None
        self._seals_left = 0
        self._derived: OrderedDict[bytes, tuple[Key, AESGCM]] = OrderedDict()
        os.register_at_fork(after_in_child=self._forget)

    def seal(self, text: bytes, bound: bytes) -> bytes:
        """Return `text` so that only holders of the key can read it, and only together with `bound`."""
        sealing = self._sealing
        if sealing is None or not self._seals_left or self._newest() is not sealing.key:
            sealing = self._begin()
        self._seals_left -= 1
        nonce = os.urandom(_NONCE_BYTES)
        head = sealing.head + nonce
        return head + sealing.cipher.encrypt(nonce, text, head + bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Return the text that was sealed together with `bound`.

        Raises:
            UnknownKeyError: the key isn't in the file.
            BrokenSealError: the text or `bound` isn't what was sealed.

        """
        if len(sealed) < OVERHEAD_BYTES or not sealed.startswith(_FORMAT):
            raise BrokenSealError
        key = self._by_id(sealed[_KEY_AT:_SALT_AT])
        if key is None:
            raise UnknownKeyError
        head = sealed[:_TEXT_AT]
        try:
            return self._cipher(key, head[_KEY_AT:_NONCE_AT]).decrypt(head[_NONCE_AT:], sealed[_TEXT_AT:], head + bound)
        except InvalidTag:
            raise BrokenSealError from None

    def _begin(self) -> _Sealing:
        key, salt = self._newest(), os.urandom(_SALT_BYTES)
        self._sealing = _Sealing(key, _FORMAT + key.id + salt, _derive(key, salt))
        self._seals_left = _SEALS_PER_SALT
        return self._sealing

    def _cipher(self, key: Key, key_and_salt: bytes) -> AESGCM:
        known = self._derived.get(key_and_salt)
        if known is not None and known[0] is key:
            self._derived.move_to_end(key_and_salt)
            return known[1]
        cipher = _derive(key, key_and_salt[ID_BYTES:])
        self._derived[key_and_salt] = (key, cipher)
        if len(self._derived) > _KEPT:
            self._derived.popitem(last=False)
        return cipher

    def _forget(self) -> None:
        """Take another salt in a child process."""
        self._sealing = None


def _derive(key: Key, salt: bytes) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=_PURPOSE).derive(key.secret)
    return AESGCM(derived)
