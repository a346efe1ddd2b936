"""`python -m bench.overload`: what a server answers in time when far more is asked of it than it can answer.

It serves a repository itself. First the rate is raised until the answers that come in time get no more: the best. Then
many times that is asked, open loop, while one caller asks for little beside it. The model is kept slow (one worker, one
sequence a run, long sequences), so that the machine has something left for those who ask.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.overload_callers import CallResults, OfferedLoad, ask_in_process, ask_politely
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerError, ServerProcess, serving
from soloist import Client, SoloistError
from soloist.json_text import json_text
from soloist.v1 import sequence_inference_pb2, tensor_pb2

_STEPS = (0.6, 0.8, 1.0, 1.2, 1.5, 2.0)  # times the rate of one caller who asks again at once


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One load in numbers. `refused` by code or reason; `generator_late_seconds` is the worst of the generator."""

    rate: float
    goodput: float
    p50_seconds: float
    p99_seconds: float
    refused: dict[str, int]
    generator_late_seconds: float
    rss_mb: float
    polite_p50_seconds: float
    polite_p99_seconds: float
    polite_in_time: float


def outcome(
    pool: ProcessPoolExecutor, server: ServerProcess, offered: OfferedLoad, processes: int, *, polite: bool = False
) -> Outcome:
    """Ask from several processes at once, and from one polite caller beside them where wanted."""
    shares = [
        replace(offered, rate=offered.rate / processes, seed=offered.seed + number) for number in range(processes)
    ]
    futures = [pool.submit(ask_in_process, share) for share in shares]
    courtesy = pool.submit(ask_politely, offered) if polite else None
    results, courteous = CallResults(), courtesy.result() if courtesy else CallResults()
    for future in futures:
        results.add(future.result())
    resident = MetricsPage.read(server.http).total("process_resident_memory_bytes")
    answers = len(courteous.in_time_seconds)
    return Outcome(
        rate=offered.rate,
        goodput=len(results.in_time_seconds) / offered.seconds,
        p50_seconds=_quantile(results.in_time_seconds, 0.5),
        p99_seconds=_quantile(results.in_time_seconds, 0.99),
        refused=dict(results.refused.most_common()),
        generator_late_seconds=results.late_seconds,
        rss_mb=resident / 2**20 if resident else float("nan"),
        polite_p50_seconds=_quantile(courteous.in_time_seconds, 0.5),
        polite_p99_seconds=_quantile(courteous.in_time_seconds, 0.99),
        polite_in_time=answers / (answers + courteous.refused.total()) if answers else 0.0,
    )


def _quantile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def message_for(server: ServerProcess, model: str, frames: int) -> bytes:
    """Return a made-up request of so many frames. Raises SoloistError or ValueError."""
    with Client(server.grpc) as client:
        manifest = client.model(model).manifest
    if manifest is None or manifest.signature.frames.data_type != tensor_pb2.DATA_TYPE_FLOAT32:
        raise ValueError(f"{model} takes no numbers, or can't be called")
    sent = np.random.default_rng(0).normal(size=(frames, manifest.signature.frames.shape[2])).astype(np.float32)
    tensor = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=sent.shape, data=sent.tobytes())
    return sequence_inference_pb2.PredictRequest(model=model, frames=tensor).SerializeToString()


def measure(
    server: ServerProcess, model: str, *, frames: int, deadline_seconds: float, seconds: float, times: float
) -> list[Outcome]:
    """Find the best rate, then ask so many times as much; the last outcome is that. Raises SoloistError."""
    message, processes = message_for(server, model, frames), 2
    offered = OfferedLoad(
        target=server.grpc, message=message, rate=0.0, seconds=seconds, deadline_seconds=deadline_seconds, seed=0
    )
    with Client(server.grpc) as client:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            client.predict(model, np.zeros((frames, _features(client, model)), np.float32))
            took.append(time.perf_counter() - began)
    usual = 1 / statistics.median(took)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes + 1, mp_context=context) as pool, Progress(transient=True) as progress:
        task = progress.add_task("loading", total=len(_STEPS) + 1)
        found = []
        for step in _STEPS:
            load = replace(offered, rate=step * usual)
            found.append(outcome(pool, server, load, processes, polite=step == _STEPS[0]))
            progress.advance(task)
        best = max(each.goodput for each in found)
        found.append(outcome(pool, server, replace(offered, rate=times * best), processes, polite=True))
    return found


def _features(client: Client, model: str) -> int:
    manifest = client.model(model).manifest
    return int(manifest.signature.frames.shape[2]) if manifest is not None else 0


def _table(found: Sequence[Outcome]) -> Table:
    table = Table("asked /s", "in time /s", "p50 ms", "p99 ms", "polite p50, p99 ms", "RSS MiB", "the others")
    for each in found:
        polite = f"{each.polite_p50_seconds * 1e3:.0f}, {each.polite_p99_seconds * 1e3:.0f}"
        table.add_row(
            f"{each.rate:.0f}",
            f"{each.goodput:.0f}",
            f"{each.p50_seconds * 1e3:.0f}",
            f"{each.p99_seconds * 1e3:.0f}",
            f"{polite} ({each.polite_in_time:.0%})" if each.polite_in_time else "",
            f"{each.rss_mb:.0f}",
            ", ".join(f"{count} {reason}" for reason, count in each.refused.items()),
        )
    return table


@click.command()
@click.option("--repository", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--model", required=True, help="Model to ask; it takes numbers.")
@click.option("--frames", type=click.IntRange(min=1), default=1500, show_default=True, help="Of each sequence.")
@click.option("--deadline-seconds", type=float, default=0.2, show_default=True, help="Of each request.")
@click.option("--seconds", type=float, default=10.0, show_default=True, help="How long each load lasts.")
@click.option("--times", type=float, default=10.0, show_default=True, help="The overload: so many times the best.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Of the server.")
@click.option("--max-batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Of the server.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    repository: Path,
    model: str,
    frames: int,
    deadline_seconds: float,
    seconds: float,
    times: float,
    workers: int,
    max_batch_size: int,
    as_json: bool,
) -> None:
    """Print what a server answers in time, at its best and under overload, and how a caller with little fares."""
    settings = {"workers": str(workers), "max_batch_size": str(max_batch_size)}
    try:
        with serving(repository, settings) as server:
            found = measure(
                server, model, frames=frames, deadline_seconds=deadline_seconds, seconds=seconds, times=times
            )
    except (SoloistError, ServerError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    best, overloaded = max(each.goodput for each in found[:-1]), found[-1]
    ratio = overloaded.goodput / best if best else float("nan")
    if as_json:
        click.echo(json_text({"loads": [asdict(each) for each in found], "goodput_ratio": ratio}))
        return
    console = Console(highlight=False)
    console.print(_table(found), soft_wrap=True)
    console.print(f"under {times:g} times the best rate: {ratio:.0%} of the best goodput")
    late = max(each.generator_late_seconds for each in found)
    console.print(f"the generator itself was late by at most {late * 1e3:.0f} ms")


if __name__ == "__main__":
    main(prog_name="python -m bench.overload")
