"""`soloist admin`: change a running server: versions and their rollout, the log level, the drain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from soloist.cli.outputs import show_models
from soloist.cli.parameter_types import UTF8, NumberRange
from soloist.cli.session import refusals_shown, server_options
from soloist.cli.tls_options import chosen_tls
from soloist.cli.token_options import token
from soloist.integers import LARGEST_INT64

if TYPE_CHECKING:
    from soloist.client import Admin, Rollout

_version = click.option(
    "--version", type=click.IntRange(1, LARGEST_INT64), help="One version; default: by the version policy."
)


@click.group()
def admin() -> None:
    """Load and unload versions, label them, distribute new sequences to them; set the log level, and drain.

    Open sequences stay on their version to their end.
    """


@admin.command()
@click.argument("model", type=UTF8)
@_version
@server_options
def load(model: str, version: int | None, server: str, timeout_seconds: float) -> None:
    """Load MODEL, or a version, next to those that serve, and wait until it is ready."""
    with _connected(server, timeout_seconds) as operator:
        show_models(operator.load(model, version))


@admin.command()
@click.argument("model", type=UTF8)
@_version
@server_options
def unload(model: str, version: int | None, server: str, timeout_seconds: float) -> None:
    """Unload MODEL, or a version: no new sequences until it is loaded again."""
    with _connected(server, timeout_seconds) as operator:
        show_models(operator.unload(model, version))


@admin.command()
@server_options
def index(server: str, timeout_seconds: float) -> None:
    """List every version of every model, with the cause for those that are not loaded."""
    with _connected(server, timeout_seconds) as operator:
        show_models(operator.index())


@admin.command()
@click.argument("model", type=UTF8)
@click.argument("name", type=UTF8, required=False)
@click.argument("version", type=click.IntRange(0, LARGEST_INT64), required=False)
@server_options
def label(model: str, name: str | None, version: int | None, server: str, timeout_seconds: float) -> None:
    """Put label NAME on VERSION of MODEL; 0 removes it. Without NAME show all labels."""
    if name is not None and version is None:
        raise click.UsageError("a label needs a version, or 0")
    with _connected(server, timeout_seconds) as operator:
        labels = {name: version} if name is not None and version is not None else None
        _show(operator.spread(model, labels=labels) if labels else operator.rollout(model))


@admin.command()
@click.argument("model", type=UTF8)
@click.argument("percent", type=NumberRange(0, 100))
@server_options
def canary(model: str, percent: float, server: str, timeout_seconds: float) -> None:
    """Send PERCENT of the new sequences of MODEL to the version labelled "canary"."""
    with _connected(server, timeout_seconds) as operator:
        _show(operator.spread(model, canary_percent=percent))


@admin.command()
@click.argument("model", type=UTF8)
@click.argument("version", type=click.IntRange(0, LARGEST_INT64))
@server_options
def shadow(model: str, version: int, server: str, timeout_seconds: float) -> None:
    """Send VERSION of MODEL copies of the traffic of the others; 0 ends it."""
    with _connected(server, timeout_seconds) as operator:
        _show(operator.spread(model, shadow_version=version))


@admin.command("log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error", "default"]))
@click.option(
    "--for-seconds",
    type=NumberRange(0, min_open=True),
    default=None,
    help="Fall back to the level of the settings after so long; default: never.",
)
@server_options
def log_level(level: str, for_seconds: float | None, server: str, timeout_seconds: float) -> None:
    """Log from LEVEL on, in every process; "default" is the level of the settings."""
    with _connected(server, timeout_seconds) as operator:
        wanted = None if level == "default" else level
        click.echo(operator.set_log_level(wanted, fallback_seconds=for_seconds or 0.0))


@admin.command()
@click.option("--not-ready", "mode", flag_value="not-ready", help="Only say that it isn't ready; calls are answered.")
@click.option("--undo", "mode", flag_value="ready", help="End --not-ready.")
@server_options
def drain(mode: str | None, server: str, timeout_seconds: float) -> None:
    """Drain the server as SIGTERM does: it takes no more calls, lets those in progress finish, and ends."""
    with _connected(server, timeout_seconds) as operator:
        count = operator.drain() if mode is None else operator.set_ready(mode == "ready")
        click.echo(f"{mode or 'draining'}  {count - 1} other calls in progress")


@contextmanager
def _connected(server: str, timeout_seconds: float) -> Iterator[Admin]:
    with refusals_shown(server):
        from soloist.client.admin import Admin

        with Admin(server, tls=chosen_tls(), token=token(server), timeout_seconds=timeout_seconds) as operator:
            yield operator


def _show(rollout: Rollout) -> None:
    for name, version in rollout.labels.items():
        click.echo(f"{name}  {version}")
    click.echo(f"canary percent  {rollout.canary_percent:g}")
    click.echo(f"shadow  {rollout.shadow_version or 'none'}")
