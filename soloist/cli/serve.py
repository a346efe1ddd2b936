"""`soloist serve`: the server; needs the base install only."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.programs import load


@click.command()
@click.option("--repository", type=click.Path(path_type=Path), help="Folder of models: <model>/<version>/model.onnx.")
@click.option(
    "--host", multiple=True, help="Address to listen on, as 127.0.0.1, ::1 or unix:/path; may be given again."
)
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Port of the API; 0 takes a free one.")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Port of /metrics and /healthz; 0 takes a free one.")
@click.option(
    "--prediction-log", type=click.Path(path_type=Path), help="File of answers and labels; without it no feedback."
)
@click.option("--drain-seconds", type=click.FloatRange(min=0), help="Time for running calls after SIGTERM.")
@click.option("--log-level", help="Least level that is logged: debug, info, warning or error.")
@click.option("--log-format", help="How a log line is written: console or json.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings; flags and SOLOIST_* win.")
def serve(**flags: object) -> None:
    """Serve a repository of exported models over gRPC.

    A setting is taken from its flag, else from SOLOIST_<NAME> in the environment, else from the file, else its default.
    Prints one line when it is ready; logs go to stderr.
    """
    overrides = {name: value for name, value in flags.items() if value not in (None, ())}
    sys.exit(load("service.app.server", "main")(overrides))
