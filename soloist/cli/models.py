"""`soloist models`: the models of a server."""

from __future__ import annotations

import click

from soloist.cli.outputs import show_models
from soloist.cli.session import connected, server_options
from soloist.json_text import json_text


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@server_options
def models(as_json: bool, server: str, timeout_seconds: float) -> None:
    """List every version of every model, with the cause for those that cannot be called."""
    with connected(server, timeout_seconds) as client:
        found = client.models()
    if as_json:
        for status in found:
            fields = {"name": status.name, "version": status.version, "state": status.state, "reason": status.reason}
            click.echo(json_text(fields))
        return
    show_models(found)
