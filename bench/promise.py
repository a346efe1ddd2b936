"""`python -m bench.promise`: requests sent together under load, and each once more by itself; their bytes are compared.

Requests are whole sequences, streams in random chunks and streams in single steps, of ordinary, a hundred times louder
and zero numbers. The reference is the same request, sent while nothing else is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.load_generator.workload import Array, WorkloadError, chunks, draw, synthetic_sequences
from bench.server.metrics_page import MetricsPage
from soloist import AsyncClient, SoloistError
from soloist.cli.parameter_types import SEED
from soloist.json_text import json_text

_SCALES = (1.0, 1.0, 100.0, 0.0)
_KINDS = ("sum", "count")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request: a sequence in one piece (Predict) or in several (Stream); `whole` says which."""

    pieces: list[Array]
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one model's requests; `mean_batch_size` is of the runs under load, None when it wasn't looked at."""

    model: str
    requests: int
    differing: int
    mean_batch_size: float | None


def make_requests(sequences: Sequence[Array], count: int, *, streams: bool, seed: int) -> list[Ask]:
    """Draw requests; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    asks = []
    for sequence in draw(sequences, count, rng):
        if sequence.dtype.kind == "f":
            sequence = (sequence * rng.choice(_SCALES)).astype(sequence.dtype)
        kind = rng.integers(3) if streams else 0
        pieces = [sequence] if kind == 0 else chunks(sequence, chunk_frames=1 if kind == 1 else None, rng=rng)
        asks.append(Ask(pieces=pieces, whole=kind == 0))
    return asks


async def answer(client: AsyncClient, model: str, ask: Ask) -> bytes:
    """Send one request; returns the bytes of the outputs at every frame."""
    if ask.whole:
        return (await client.predict(model, ask.pieces[0], every_frame=True)).outputs.tobytes()
    async with client.stream(model, every_frame=True) as stream:
        return b"".join([(await stream.send(piece)).outputs.tobytes() for piece in ask.pieces])


async def compare(
    client: AsyncClient, model: str, asks: Sequence[Ask], *, concurrency: int, http: str | None, progress: Progress
) -> Outcome:
    """Send the requests one by one, then `concurrency` at a time. Raises SoloistError."""
    task = progress.add_task(model, total=2 * len(asks))
    gate = asyncio.Semaphore(concurrency)

    async def together(ask: Ask) -> bytes:
        async with gate:
            found = await answer(client, model, ask)
        progress.advance(task)
        return found

    alone = []
    for ask in asks:
        alone.append(await answer(client, model, ask))
        progress.advance(task)
    before = _batches(http, model)
    loaded = await asyncio.gather(*(together(ask) for ask in asks))
    after = _batches(http, model)
    runs = after[1] - before[1]
    return Outcome(
        model=model,
        requests=len(asks),
        differing=sum(one != other for one, other in zip(alone, loaded, strict=True)),
        mean_batch_size=(after[0] - before[0]) / runs if runs else None,
    )


async def run(
    server: str, models: Sequence[str], *, count: int, concurrency: int, seed: int, http: str | None
) -> list[Outcome]:
    """Try models, all that are ready and no control by default. Raises SoloistError and WorkloadError."""
    outcomes = []
    async with AsyncClient(server, timeout_seconds=60) as client:
        names = list(models) or sorted({status.name for status in await client.models() if status.ready})
        with Progress(console=Console(stderr=True), transient=True) as progress:
            for name in names:
                manifest = (await client.model(name)).manifest
                if manifest is None or (manifest.control and not models):
                    continue
                sequences = synthetic_sequences(manifest, seed=seed)
                asks = make_requests(sequences, count, streams=manifest.causal, seed=seed)
                outcome = await compare(client, name, asks, concurrency=concurrency, http=http, progress=progress)
                outcomes.append(outcome)
    return outcomes


def _batches(http: str | None, model: str) -> tuple[float, float]:
    """Read (sequences, runs) so far from /metrics; zeros when that isn't asked for."""
    if http is None:
        return 0.0, 0.0
    page = MetricsPage.read(http)
    return page.total("soloist_batch_size_sum", model=model), page.total("soloist_batch_size_count", model=model)


@click.command()
@click.option("--server", default="localhost:8001", show_default=True, metavar="HOST:PORT", help="Where it listens.")
@click.option("--http", metavar="HOST:PORT", help="Its HTTP port, to tell how many sequences shared a run.")
@click.option("--model", "models", multiple=True, help="Model to ask; again for more. Default: all but controls.")
@click.option(
    "--requests", "count", type=click.IntRange(min=1), default=1000, show_default=True, help="For each model."
)
@click.option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, help="Requests at once.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of sequences and cuts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def main(
    server: str, http: str | None, models: tuple[str, ...], count: int, concurrency: int, seed: int, as_json: bool
) -> None:
    """Compare the answers to requests sent together with those to the same requests sent alone, byte by byte.

    Exit codes: 0 all are equal, 1 some differ or a request failed, 2 wrong usage.
    """
    try:
        outcomes = asyncio.run(run(server, models, count=count, concurrency=concurrency, seed=seed, http=http))
    except (SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for outcome in outcomes:
            click.echo(json_text(asdict(outcome)))
    else:
        table = Table("model", "requests", "differ", "sequences a run, under load")
        for outcome in outcomes:
            size = "" if outcome.mean_batch_size is None else f"{outcome.mean_batch_size:.2f}"
            table.add_row(outcome.model, str(outcome.requests), str(outcome.differing), size)
        Console().print(table)
    raise SystemExit(1 if any(outcome.differing for outcome in outcomes) else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench.promise")
