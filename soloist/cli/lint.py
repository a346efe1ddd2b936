"""`soloist lint`: find out whether a graph has the form that keeps bits."""

from __future__ import annotations

from pathlib import Path

import click

from soloist.cli.programs import load


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def lint(ctx: click.Context, model: Path, as_json: bool) -> None:
    """List every node of MODEL (an ONNX file) that may make an answer depend on batch, padding or chunks.

    Exit codes: 0 nothing found, 1 something found, 2 not a readable ONNX model.
    """
    ctx.exit(load("export.lint.report", "run", extras="export")(model, as_json=as_json))
