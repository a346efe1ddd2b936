"""`soloist predict`: answer one whole sequence."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from soloist.cli.inputs import auxiliary_inputs_option, form_of, read_whole
from soloist.cli.session import connected, frames_options, server_options, signature_of


@click.command()
@frames_options
@auxiliary_inputs_option
@server_options
def predict(
    model: str,
    source: BinaryIO,
    version: int | str | None,
    every_frame: bool,
    form: str | None,
    as_json: bool,
    inputs: dict[str, Any],
    server: str,
    timeout_seconds: float,
) -> None:
    """Answer one whole sequence with MODEL.

    FILE is .npy, .csv (one frame per line) or text for a model that reads text; without it, or "-", standard input.
    """
    from soloist.cli.outputs import show_prediction

    with connected(server, timeout_seconds) as client:
        signature = signature_of(client, model, version)
        frames = read_whole(source, form_of(source, form, signature), signature)
        prediction = client.predict(model, frames, version=version, every_frame=every_frame, inputs=inputs)
    show_prediction(prediction, every_frame=every_frame, as_json=as_json)
