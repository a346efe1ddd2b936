"""`soloist tokens`: makes tokens, and the lines of the server's file that know them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

_ROLES = ("infer", "feedback", "monitor", "admin")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# So that programs that look for secrets in texts find it.
_PREFIX = "soloist_"
_RANDOM_BYTES = 32


@click.group()
def tokens() -> None:
    """Make the tokens by which a server knows its clients."""


@tokens.command()
@click.argument("name")
@click.option("--role", "roles", type=click.Choice(_ROLES), multiple=True, required=True, help="May be given again.")
@click.option("--expires-days", type=click.IntRange(min=1, max=36_500), help="Days until it expires; default: never.")
@click.option(
    "--file", type=click.Path(path_type=Path), help="Add the line to this tokens file, and print the token alone."
)
def new(name: str, roles: tuple[str, ...], expires_days: int | None, file: Path | None) -> None:
    """Make a random token for the client NAME. It is shown once: the server's file has its hash only."""
    if not _NAME.fullmatch(name):
        raise click.BadParameter("a name has 1 to 64 letters, digits, '.', '_', '@' and '-'", param_hint="NAME")
    token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    line = _line(name, dict.fromkeys(roles), token, expires_days)
    if file is None:
        click.echo(f"token: {token}\nline for the file of --tokens-file:\n{line}")
        return
    try:
        _add(file, name, line)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{file} is not UTF-8 text, so no file of tokens") from None
    click.echo(token)


def _line(name: str, roles: dict[str, None], token: str, expires_days: int | None) -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    listed = ", ".join(f'"{role}"' for role in roles)
    fields = [f"roles = [{listed}]", f'sha256 = "{digest}"']
    if expires_days is not None:
        moment = datetime.now(UTC) + timedelta(days=expires_days)
        fields.append(f"expires = {moment:%Y-%m-%dT%H:%M:%SZ}")
    return f"{_key(name)} = {{ {', '.join(fields)} }}"


def _key(name: str) -> str:
    # A dotted key, so that a line can be added to the end of any such file.
    return f"tokens.{name}" if _BARE_KEY.fullmatch(name) else f'tokens."{name}"'


def _add(file: Path, name: str, line: str) -> None:
    """Add a line to a file, which is made for its owner alone if it is new."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "a+", encoding="utf-8") as opened:
        opened.seek(0)
        before = opened.read()
        if any(each.startswith(f"{_key(name)} ") for each in before.splitlines()):
            raise click.ClickException(f"{file} has a token for {name}: remove that line first, or take another name")
        added = ("" if not before or before.endswith("\n") else "\n") + line + "\n"
        if not _is_known(name, before.removeprefix("\ufeff") + added):
            raise click.ClickException(
                f"{file}: a line at its end would not be a token: it is no TOML, has a token for {name}, or has "
                "tables ([tokens.…]), which must become lines like those of soloist tokens new"
            )
        opened.write(added)


def _is_known(name: str, text: str) -> bool:
    """Return whether a file of this text has a token of that name. A line after a table belongs to the table."""
    try:
        return name in tomllib.loads(text).get("tokens", {})
    except (ValueError, RecursionError):  # no TOML, or a number of too many digits
        return False
