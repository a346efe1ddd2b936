"""`soloist stream`: answer a sequence while it arrives."""

from __future__ import annotations

from typing import BinaryIO

import click

from soloist.cli.session import connected, frames_options, server_options, signature_of
from soloist.integers import LARGEST_INT32


@click.command()
@frames_options
@click.option(
    "--chunk-frames",
    type=click.IntRange(1, LARGEST_INT32),
    default=16,
    show_default=True,
    help="Most frames to send at once; of a text, every line is sent at once.",
)
@click.option("--resume", is_flag=True, help="Go on, elsewhere or later, when the server drains or dies.")
@server_options
def stream(
    model: str,
    source: BinaryIO,
    version: int | str | None,
    every_frame: bool,
    form: str | None,
    as_json: bool,
    chunk_frames: int,
    resume: bool,
    server: str,
    timeout_seconds: float,
) -> None:
    """Send one sequence to MODEL in chunks, and print the answer after each.

    FILE as for predict. From a pipe each chunk is sent as soon as it is complete. The last line equals what predict
    answers.
    """
    from soloist.cli.inputs import form_of, read_chunks
    from soloist.cli.outputs import show_chunk

    with connected(server, timeout_seconds) as client:
        signature = signature_of(client, model, version)
        form_found = form_of(source, form, signature)
        with client.stream(model, version=version, every_frame=every_frame, resume=resume) as opened:
            for frames in read_chunks(source, form_found, chunk_frames, signature):
                show_chunk(opened.send(frames), every_frame=every_frame, as_json=as_json)
