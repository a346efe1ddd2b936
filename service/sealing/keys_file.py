"""The keys file: AES-256 keys with ids, one a line, and from when on each may seal."""

from __future__ import annotations

import base64
import binascii
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.core.files import read_regular
from soloist.files import OWNER_ONLY, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32
ID_BYTES = 8
# Every key opens, so each is one more that may be stolen.
MOST_KEYS = 64
_MOST_FILE_BYTES = 64 * 2**10
_PARTS = 3
_HEAD = "# Keys of Soloist: id, from when on it seals (of several the latest), key. Keep it secret.\n"
# What others may do with it; the group may read it, since Kubernetes mounts secrets so.
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class KeysFileError(OSError):
    """The keys file can't be used; the text has the cause, and nothing of a key."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key. It seals from `seals_from` (seconds since 1970) until a later one does, and opens as long as it is there.

    A key that seals at once would be unknown to those servers that read the file a moment later.
    """

    id: bytes
    seals_from: float
    secret: bytes = field(repr=False)


def new_key(*, seals_from: float) -> Key:
    """Return a random key."""
    return Key(id=secrets.token_bytes(ID_BYTES), seals_from=seals_from, secret=secrets.token_bytes(KEY_BYTES))


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read all keys of a file.

    Raises:
        KeysFileError: it can't be read, others may read it, or a line is no key.

    """
    try:
        text = read_regular(path, most_bytes=_MOST_FILE_BYTES).decode("ascii")
        found = path.stat()
    except UnicodeDecodeError as error:
        raise KeysFileError(f"{path} is no text") from error
    except OSError as error:
        raise KeysFileError(f"{path}: {error.strerror}") from error
    if found.st_mode & _TOO_OPEN:
        raise KeysFileError(f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, so others may use it: chmod 600")
    lines = [line.strip() for line in text.splitlines()]
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    keys = tuple(_parsed(path, number, line) for number, line in numbered)
    if not 0 < len(keys) <= MOST_KEYS:
        raise KeysFileError(f"{path} has {len(keys)} keys, and must have 1 to {MOST_KEYS}")
    if len({key.id for key in keys}) < len(keys):
        raise KeysFileError(f"{path} has two keys of one id")
    return keys


def write_keys(path: Path, keys: Sequence[Key]) -> None:
    """Write a file of these keys that only its owner can read. A reader sees all of it or nothing.

    Raises:
        OSError: it can't be written.

    """
    text = _HEAD + "".join(f"{_line(key)}\n" for key in keys)
    write_atomically(path, text.encode(), mode=OWNER_ONLY)


def _line(key: Key) -> str:
    seals_from = datetime.fromtimestamp(key.seals_from, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{key.id.hex()} {seals_from} {base64.b64encode(key.secret).decode()}"


def _parsed(path: Path, number: int, line: str) -> Key:
    try:
        identity, seals_from, secret = line.split(maxsplit=_PARTS - 1)
        moment = datetime.fromisoformat(seals_from)
        key = Key(
            id=bytes.fromhex(identity),
            seals_from=(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(),
            secret=base64.b64decode(secret, validate=True),
        )
    except (ValueError, OverflowError, binascii.Error):
        raise KeysFileError(f"{path}: line {number} is no key: make one with `soloist keys new`") from None
    if len(key.id) != ID_BYTES or len(key.secret) != KEY_BYTES:
        raise KeysFileError(f"{path}: line {number}: an id has {ID_BYTES} bytes, and a key {KEY_BYTES}")
    return key
