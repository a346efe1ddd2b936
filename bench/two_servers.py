"""`python -m bench.two_servers`: how much longer one of two running servers takes for a unary call than the other.

One caller, one call after the other, the servers by turns: what else the machine does falls on both alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import click

from bench.load_generator.workload import Array, WorkloadError, synthetic_sequences
from soloist import Client, SoloistError


def median_seconds(client: Client, model: str, sequences: Sequence[Array], calls: int) -> float:
    """Return how long the middle one of so many calls took. Raises SoloistError."""
    took = []
    for call in range(calls):
        frames = sequences[call % len(sequences)]
        began = time.perf_counter()
        client.predict(model, frames)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def rounds(first: str, second: str, model: str, *, count: int, calls: int) -> list[tuple[float, float]]:
    """Ask both servers in every round, in turns first; returns the medians in seconds. Raises SoloistError."""
    found = []
    with Client(first) as one, Client(second) as other:
        manifest = one.model(model).manifest
        if manifest is None:
            raise WorkloadError(f"{model} can't be called")
        sequences = synthetic_sequences(manifest, seed=0)
        for client in (one, other):
            median_seconds(client, model, sequences, calls)  # the first calls wait for connections and caches
        for index in range(count):
            order = (one, other) if index % 2 == 0 else (other, one)
            seconds = {client: median_seconds(client, model, sequences, calls) for client in order}
            found.append((seconds[one], seconds[other]))
    return found


@click.command()
@click.option("--servers", nargs=2, required=True, metavar="HOST:PORT HOST:PORT", help="Where they listen.")
@click.option("--model", required=True, help="Model to ask, on both.")
@click.option("--rounds", "count", type=click.IntRange(min=1), default=15, show_default=True, help="Of both servers.")
@click.option("--calls", type=click.IntRange(min=1), default=500, show_default=True, help="Of each in a round.")
def main(servers: tuple[str, str], model: str, count: int, calls: int) -> None:
    """Print the median latency of both servers, and the median over the rounds of the second's to the first's."""
    try:
        found = rounds(*servers, model, count=count, calls=calls)
    except (SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    for server, seconds in zip(servers, zip(*found, strict=True), strict=True):
        click.echo(f"{server}  {statistics.median(seconds) * 1000:.3f} ms")
    ratios = [second / first for first, second in found]
    slower = sum(ratio > 1 for ratio in ratios)
    click.echo(f"ratio  {statistics.median(ratios):.2f}, above 1 in {slower} of {len(ratios)} rounds")


if __name__ == "__main__":
    main(prog_name="python -m bench.two_servers")
