"""`python -m demo.elsewhere [MODEL…]`."""

from __future__ import annotations

import sys

import click

from demo.elsewhere.catalogue import GUESTS
from demo.elsewhere.run import main


@click.command()
@click.argument("models", nargs=-1, type=click.Choice([guest.name for guest in GUESTS]))
def command(models: tuple[str, ...]) -> None:
    """Serve models that others made (all, or those named) and compare every answer with a bare ONNX Runtime loop.

    Exits with 0 only if no bit differs.
    """
    sys.exit(main([guest for guest in GUESTS if not models or guest.name in models]))


command()
