"""`soloist keys`: the keys with which servers seal resume tokens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from soloist.cli.parameter_types import NumberRange
from soloist.cli.programs import load

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def keys() -> None:
    """Make and list the keys that servers seal resume tokens with (--keys-file)."""


@keys.command()
@_FILE
@click.option(
    "--after-seconds",
    type=NumberRange(0),
    default=60.0,
    show_default=True,
    help="When a further key begins to seal: all servers must have read the file by then.",
)
def new(file: Path, after_seconds: float) -> None:
    """Add a new key to FILE, or make FILE with a first key, which seals at once.

    The newest key seals, and all open. Remove the line of an old one when the tokens that it has sealed have expired.
    """
    read, write = load("service.sealing.keys_file", "read_keys"), load("service.sealing.keys_file", "write_keys")
    make = load("service.sealing.keys_file", "new_key")
    try:
        known = read(file) if file.exists() else ()
        added = make(seals_from=time.time() + (after_seconds if known else 0.0))
        write(file, [*known, added])
    except OSError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{added.id.hex()} seals from {_moment(added.seals_from)}")


@keys.command(name="list")
@_FILE
def list_keys(file: Path) -> None:
    """Print the ids of the keys in FILE, and from when on each seals. No key is shown."""
    try:
        known = load("service.sealing.keys_file", "read_keys")(file)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    for key in sorted(known, key=lambda key: key.seals_from):
        click.echo(f"{key.id.hex()} seals from {_moment(key.seals_from)}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
