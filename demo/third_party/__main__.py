"""`python -m demo.third_party [MODEL…]`."""

from __future__ import annotations

import sys

import click

from demo.third_party.catalogue import MODELS
from demo.third_party.run import main


@click.command()
@click.argument("models", nargs=-1, type=click.Choice([model.name for model in MODELS]))
def command(models: tuple[str, ...]) -> None:
    """Serve models that others made (all, or those named) and compare every answer with a bare ONNX Runtime loop.

    Exits with 0 only if no bit differs.
    """
    sys.exit(main([model for model in MODELS if not models or model.name in models]))


command()
