"""The common parts of commands that call a server: arguments, the connection, and how refusals are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from soloist.cli.parameter_types import UTF8, NumberRange
from soloist.cli.tls_options import chosen_tls, tls_options
from soloist.cli.token_options import token, token_options
from soloist.integers import LARGEST_INT64, whole_number

if TYPE_CHECKING:
    from soloist.client import TLS, Client, Monitor, Token
    from soloist.v1.model_pb2 import Signature


class Credentials(TypedDict):
    """How a client connects, and what it shows."""

    tls: TLS | None
    token: Token | None


_F = TypeVar("_F", bound=Callable[..., Any])

_DEFAULT_SERVER = "localhost:8001"


def _version(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> int | str | None:
    """Return a number, or a label, which never begins with a digit."""
    if value is None or not value.isdecimal():
        return value
    number = whole_number(value, LARGEST_INT64)
    if number is None:
        raise click.BadParameter(f"there is no version above {LARGEST_INT64}")
    if not number:
        raise click.BadParameter("versions begin at 1")
    return number


version_option = click.option(
    "--version", type=UTF8, callback=_version, help="Version or label; default: stable, else the newest ready."
)


def server_option(help_text: str = "Where the server listens (gRPC); also SOLOIST_SERVER.") -> Callable[[_F], _F]:
    """Return what adds --server to a command."""
    return click.option(
        "--server",
        "-s",
        type=UTF8,
        metavar="HOST:PORT",
        envvar="SOLOIST_SERVER",
        default=_DEFAULT_SERVER,
        show_default=True,
        help=help_text,
    )


def server_options(command: _F) -> _F:
    """Add --server, --timeout-seconds and the options of TLS and of a token to a command."""
    timeout = click.option(
        "--timeout-seconds",
        type=NumberRange(0, min_open=True, infinite=True),
        default=30.0,
        show_default=True,
        help="Longest wait for an answer, retries included; inf: no limit.",
    )
    return server_option()(timeout(credential_options(command)))


def credential_options(command: _F) -> _F:
    """Add the options of TLS and of a token to a command, which reads them with `credentials`."""
    return tls_options(token_options(command))


def credentials(server: str) -> Credentials:
    """Return what the options of the running command come to, as keyword arguments of clients.

    Raises:
        click.UsageError: they don't fit together, a file can't be read, or others could read the token on its way.

    """
    return {"tls": chosen_tls(), "token": token(server)}


def frames_options(command: _F) -> _F:
    """Add MODEL, FILE and the options that predict and stream share."""
    decorators = [
        click.argument("model", type=UTF8),
        click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-"),
        version_option,
        click.option("--every-frame", is_flag=True, help="Print the outputs at every frame, not only the last."),
        click.option("--format", "form", type=click.Choice(["npy", "csv", "text"]), help="Default: detected."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line."),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def signature_of(client: Client, model: str, version: int | str | None) -> Signature | None:
    """Return the signature of a model; None if its manifest could not be read."""
    manifest = client.model(model, version).manifest
    return manifest.signature if manifest is not None else None


@contextmanager
def connected(server: str, timeout_seconds: float) -> Iterator[Client]:
    """Open a client; a refusal is shown as `refusals_shown` does."""
    with refusals_shown(server):
        from soloist.client import Client

        with Client(server, **credentials(server), timeout_seconds=timeout_seconds) as client:
            yield client


@contextmanager
def monitoring(server: str, timeout_seconds: float) -> Iterator[Monitor]:
    """Open a monitor; a refusal is shown as `refusals_shown` does."""
    with refusals_shown(server):
        from soloist.client import Monitor

        with Monitor(server, **credentials(server), timeout_seconds=timeout_seconds) as monitor:
            yield monitor


@contextmanager
def refusals_shown(server: str) -> Iterator[None]:
    """Turn a refusal into a line on stderr and exit code 1."""
    from soloist.client import SoloistError

    try:
        yield
    except SoloistError as error:
        where = f" ({server})" if error.reason == error.code.name else ""  # not an answer of our server
        click.echo(f"soloist: {error.reason}: {error.message}{where}", err=True)
        raise SystemExit(1) from None
