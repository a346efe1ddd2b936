"""The token of commands that call a server: from a file or SOLOIST_TOKEN, never from the command line itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from soloist.cli.tls_options import chosen_tls

if TYPE_CHECKING:
    from soloist.client import Token

_F = TypeVar("_F", bound=Callable[..., Any])
_VARIABLE = "SOLOIST_TOKEN"
_FILE, _PLAINTEXT = "soloist.token-file", "soloist.token-over-plaintext"
_MOST_CHARACTERS = 4_096


def token_options(command: _F) -> _F:
    """Add --token-file and --token-over-plaintext to a command, which reads them with `token`."""
    file = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar=f"{_VARIABLE}_FILE",
        expose_value=False,
        callback=_keep(_FILE),
        help=f"File with the token to show; also {_VARIABLE}_FILE, or {_VARIABLE} with the token itself.",
    )
    plaintext = click.option(
        "--token-over-plaintext",
        is_flag=True,
        expose_value=False,
        callback=_keep(_PLAINTEXT),
        help="Send the token over a plain connection to another machine, too.",
    )
    return file(plaintext(command))


def token(server: str) -> Token | None:
    """Return the token of the command that runs, to be shown to `server`; None if it has none.

    Raises:
        UsageError: it can't be read, is none, or others could read it on its way.

    """
    meta = click.get_current_context().meta
    path: Path | None = meta.get(_FILE)
    text = os.environ.get(_VARIABLE, "") if path is None else _read(path)
    if not text and path is None:
        return None
    from soloist.client import Token
    from soloist.client.channel import refuse_open_token

    try:
        found = Token(text.strip(), over_plaintext=meta[_PLAINTEXT])
        refuse_open_token(server, chosen_tls(), found)
    except ValueError as error:
        raise click.UsageError(f"{path or _VARIABLE}: {error}") from None
    return found


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        context.meta[name] = value

    return keep


def _read(path: Path) -> str:
    """Return the text of a file of one's own that nobody else may read, as ssh takes private keys."""
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & 0o077:
            raise click.UsageError(
                f"{path}: others may read it (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {path}"
            )
        with path.open(encoding="utf-8") as file:
            return file.read(_MOST_CHARACTERS)
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
