"""The options of TLS that every command has that calls a server, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from soloist.client import TLS

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEY = "soloist.tls"
_HELP = {
    "tls": "Connect with TLS, and trust the system's authorities.",
    "tls_ca": "Connect with TLS, and trust the authorities in this file (PEM).",
    "tls_cert": "Certificate to show to the server (PEM), with --tls-key.",
    "tls_key": "Private key of that certificate (PEM).",
}


def tls_options(command: _F) -> _F:
    """Add --tls, --tls-ca, --tls-cert and --tls-key to a command, whose function doesn't get them."""
    for name, text in reversed(_HELP.items()):
        kind: dict[str, Any] = {"is_flag": True} if name == "tls" else {"type": _FILE, "metavar": "FILE"}
        command = click.option(
            f"--{name.replace('_', '-')}",
            envvar=f"SOLOIST_CLIENT_{name.upper()}",
            expose_value=False,
            callback=_keep,
            help=text,
            **kind,
        )(command)
    return command


def chosen_tls() -> TLS | None:
    """Return what the options of the running command come to; None for a plain connection.

    Raises:
        click.UsageError: a certificate without its key, or the other way round, or with that of another, or a file that
            is no such thing.

    """
    given = click.get_current_context().meta.get(_KEY, {})
    if not any(given.values()):
        return None
    certificate, key = given.get("tls_cert"), given.get("tls_key")
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    from soloist.client.tls import TLS, read_certificates, read_key

    chain = _read("tls_cert", read_certificates)
    return TLS(
        root_certificates=_read("tls_ca", read_certificates),
        certificate_chain=chain,
        private_key=_read("tls_key", lambda path: read_key(path, chain)),
    )


def _read(name: str, read: Callable[[Path], bytes]) -> bytes | None:
    path: Path | None = click.get_current_context().meta[_KEY].get(name)
    try:
        return None if path is None else read(path)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--{name.replace('_', '-')}: {error}") from None


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    context.meta.setdefault(_KEY, {})[parameter.name] = value
