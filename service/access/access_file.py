"""The file of tokens and certificates: read, checked whole, and refused if others may write it."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from service.access.client import Client, Role
from service.core.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 2**20
_MOST_ENTRIES = 4_096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SUBJECT_CHARACTERS = 256
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TOKEN_FIELDS = frozenset({"roles", "sha256", "expires"})
_CERTIFICATE_FIELDS = frozenset({"roles", "name"})


class AccessFileError(OSError):
    """The file can't be used; the text says why, and holds nothing of its contents but names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token by the SHA-256 of its text. `expires_at` is in seconds since 1970."""

    digest: bytes
    client: Client
    expires_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class AccessFile:
    """All tokens by digest, and the clients of certificates by common name or alternative name."""

    tokens: Mapping[bytes, Token] = field(default_factory=dict)
    certificates: Mapping[str, Client] = field(default_factory=dict)


def load(path: Path) -> AccessFile:
    """Load the file.

    Raises:
        AccessFileError: it is missing, too large, malformed, or others may write it.

    """
    try:
        _refuse_others_writing(path)
        text = read_regular(path, most_bytes=_MOST_BYTES).decode("utf-8-sig")
    except AccessFileError:
        raise
    except UnicodeDecodeError as error:
        raise AccessFileError(f"{path}: it is no UTF-8") from error
    except OSError as error:
        raise AccessFileError(f"{path}: {error.strerror or error}") from error
    try:
        return parse(text)
    except ValueError as error:
        raise AccessFileError(f"{path}: {error}") from None  # a cause would show lines of the file


def parse(text: str) -> AccessFile:
    """Parse TOML: tables `tokens` and `certificates`, by name.

    Raises:
        ValueError: something in it is wrong; one wrong entry refuses all, since a client may have been meant.

    """
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # The text of the error has a place, and may quote a character.
        place = re.search(r"at line \d+, column \d+", str(error))
        raise ValueError(f"it is no TOML{f' ({place[0]})' if place else ''}") from None
    _refuse_others(found, frozenset({"tokens", "certificates"}), "the file")
    tokens, certificates = _table(found, "tokens"), _table(found, "certificates")
    if len(tokens) + len(certificates) > _MOST_ENTRIES:
        raise ValueError(f"it has more than {_MOST_ENTRIES} entries")
    by_digest: dict[bytes, Token] = {}
    for name, entry in tokens.items():
        token = _token(name, entry)
        if token.digest in by_digest:
            raise ValueError(f"tokens.{name} and tokens.{by_digest[token.digest].client.name} are the same token")
        by_digest[token.digest] = token
    return AccessFile(
        tokens=by_digest, certificates={name: _certificate(name, entry) for name, entry in certificates.items()}
    )


def _token(name: str, entry: object) -> Token:
    where = f"tokens.{name[:64]}"
    fields = _fields(entry, _TOKEN_FIELDS, where)
    digest = fields.get("sha256")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError(f"{where}: sha256 must be 64 lower-case hexadecimal digits (`soloist tokens new` writes them)")
    client = Client(name=_named(name, where), roles=_roles(fields, where))
    return Token(digest=bytes.fromhex(digest), client=client, expires_at=_expiry(fields, where))


def _certificate(subject: str, entry: object) -> Client:
    where = f"certificates.{subject[:64]!r}"
    if not 0 < len(subject) <= _SUBJECT_CHARACTERS:
        raise ValueError(f"{where}: a name of a certificate has 1 to {_SUBJECT_CHARACTERS} characters")
    fields = _fields(entry, _CERTIFICATE_FIELDS, where)
    name = fields.get("name")
    return Client(name=subject if name is None else _named(name, where), roles=_roles(fields, where))


def _fields(entry: object, known: frozenset[str], where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f'{where} must be a table such as {{ roles = ["infer"], … }}')
    _refuse_others(entry, known, where)
    return entry


def _refuse_others(entry: Mapping[str, object], known: frozenset[str], where: str) -> None:
    others = sorted(set(entry) - known)
    if others:
        raise ValueError(f"{where} has {others[0][:64]!r}, and may have {', '.join(sorted(known))}")


def _table(found: Mapping[str, object], name: str) -> dict[str, object]:
    table = found.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a table")
    return table


def _named(name: object, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: a name has 1 to 64 letters, digits, '.', '_', '@' and '-'")
    return name


def _roles(fields: Mapping[str, object], where: str) -> frozenset[Role]:
    given = fields.get("roles")
    if not isinstance(given, list) or not given or not all(each in list(Role) for each in given):
        raise ValueError(f"{where}: roles must be a list of {', '.join(Role)}")
    return frozenset(Role(each) for each in given)


def _expiry(fields: Mapping[str, object], where: str) -> float | None:
    given = fields.get("expires")
    if given is None:
        return None
    if isinstance(given, datetime):
        moment = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    elif isinstance(given, date):
        moment = datetime(given.year, given.month, given.day, tzinfo=UTC)
    else:
        raise ValueError(f"{where}: expires must be a date or a time, such as 2030-01-31 or 2030-01-31T12:00:00Z")
    return moment.timestamp()


def _refuse_others_writing(path: Path) -> None:
    """Refuse a file that others may write, as ssh does with authorized_keys: they could add a token of their own.

    Others may read it: it holds hashes of random tokens, from which nobody gets a token. Whose it is doesn't matter: in
    a container the files of the host belong to users that it doesn't have.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & 0o022:
        raise AccessFileError(f"{path}: others may write it (mode {stat.S_IMODE(mode):04o}): chmod go-w {path}")
