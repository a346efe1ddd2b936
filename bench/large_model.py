"""`python -m bench.large_model`: which share of a bare loop's rate a server keeps when a run takes milliseconds.

The bare loop calls the model on the server's core, one whole sequence after the other. Then callers on another core ask
the server for the same, one or several at once. All take turns, and a ratio is of two rates of one round. The server's
answers are compared with the loop's, bit by bit.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.cores import cores
from bench.load_generator.workload import Array, WorkloadError, synthetic_sequences
from bench.request_stages.load import Traffic, in_flight, whole_sequences
from bench.request_stages.measure import bare_run
from bench.server.process import ServerError, serving
from bench.small_model import models_of
from service.core.health import API
from service.loading.servable import LoadPolicy, Servable, load_servable
from soloist.client.errors import from_rpc_error
from soloist.json_text import json_text
from soloist.v1 import sequence_inference_pb2 as pb

MODEL = "digits-transformer-layer"
_SEQUENCES = 8  # so many that differ
_PROBED_RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: runs of at least so many ms each, and how many callers wait at once."""

    model: str
    run_ms: Sequence[float]
    callers: Sequence[int]
    seconds: float
    rounds: int
    transport: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The rate of a server with so many callers ÷ that of the bare loop: median, least and most of the rounds.

    `added_us` is how much longer than a bare run the server took for an answer; below 0 where sequences share runs.
    """

    frames: int
    run_ms: float
    callers: int
    per_second: float
    added_us: float
    ratio: float
    least: float
    most: float
    differing: int


def measure(repository: Path, plan: Plan) -> list[Kept]:
    """Measure all sizes, each with all numbers of callers. Raises ServerError, WorkloadError and grpc.RpcError."""
    servable = _load(repository, plan.model)
    run = bare_run(servable)
    ours, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise ServerError("one processor is too few: the server needs one of its own")
    servers = {others[-1]}
    settings = {"workers": 1, "skew_probe_ratio": 0, "transport": plan.transport}
    found: list[Kept] = []
    with cores(servers), serving(repository, settings) as server, cores({ours}):
        for run_ms in plan.run_ms:
            with cores(servers):
                sequences = _sequences(servable, run, run_ms)
            found += asyncio.run(_sized(server.grpc, plan, run, sequences, servers))
    return found


async def _sized(
    server: str, plan: Plan, run: Callable[[Array], Any], sequences: Sequence[Array], servers: set[int]
) -> list[Kept]:
    traffic = whole_sequences(plan.model, sequences)
    expected = [run(frames)[0][0, -1].tobytes() for frames in sequences]
    bare: list[float] = []
    rates: dict[int, list[float]] = {callers: [] for callers in plan.callers}
    differing = dict.fromkeys(plan.callers, 0)
    async with grpc.aio.insecure_channel(server) as channel:
        for number in range(plan.rounds + 1):
            with cores(servers):
                alone = _bare_rate(run, sequences, plan.seconds)
            bare += [alone] if number else []  # the first round warms up
            for callers in plan.callers:
                count = max(callers, round(alone * plan.seconds))
                rate, wrong = await _served_rate(channel, traffic, expected, count, callers)
                rates[callers] += [rate] if number else []
                differing[callers] += wrong
    found = []
    for callers, measured in rates.items():
        pairs = list(zip(measured, bare, strict=True))
        ratios = [rate / alone for rate, alone in pairs]
        found.append(
            Kept(
                frames=len(sequences[0]),
                run_ms=1000 / statistics.median(bare),
                callers=callers,
                per_second=statistics.median(measured),
                added_us=statistics.median(1e6 / rate - 1e6 / alone for rate, alone in pairs),
                ratio=statistics.median(ratios),
                least=min(ratios),
                most=max(ratios),
                differing=differing[callers],
            )
        )
    return found


def _bare_rate(run: Callable[[Array], Any], sequences: Sequence[Array], seconds: float) -> float:
    began, count = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        run(sequences[count % len(sequences)])
        count += 1
    return count / took


async def _served_rate(
    channel: grpc.aio.Channel, traffic: Traffic, expected: Sequence[bytes], count: int, callers: int
) -> tuple[float, int]:
    """Return how many answers a second there were, and how many of them differ from the bare loop's."""
    method: Any = channel.unary_unary(f"/{API}/{traffic.method}")
    answers: list[tuple[int, bytes]] = []

    async def call(number: int) -> None:
        answers.append((number, await method(traffic.messages(number)[0])))

    began = time.perf_counter()
    await in_flight(call, count, callers)
    rate = count / (time.perf_counter() - began)
    wrong = sum(
        pb.PredictResponse.FromString(raw).outputs.data != expected[number % len(expected)] for number, raw in answers
    )
    return rate, wrong


def _load(repository: Path, model: str) -> Servable:
    versions = [int(each.parent.name) for each in (repository / model).glob("*/model.onnx")]
    if not versions:
        raise WorkloadError(f"there is no {model} in {repository}")
    path = repository / model / str(max(versions)) / "model.onnx"
    policy = LoadPolicy(batch_uncertified=False, certify_seconds=0)
    return load_servable(path, policy, name=model, version=max(versions))


def _sequences(servable: Servable, run: Callable[[Array], Any], run_ms: float) -> list[Array]:
    """Return sequences of one length, the least power of 2 or half-way to the next, whose run takes so long."""
    made = synthetic_sequences(servable.manifest, seed=0)[:_SEQUENCES]
    for frames in (2**n * factor // 2 for n in range(1, 14) for factor in (2, 3)):
        sequences = [np.resize(each, (frames, *each.shape[1:])) for each in made]
        took = []
        for _ in range(_PROBED_RUNS):
            began = time.thread_time()
            run(sequences[0])
            took.append(time.thread_time() - began)
        if 1000 * statistics.median(took) >= run_ms:
            return sequences
    raise WorkloadError(f"{servable.name} takes no {run_ms:g} ms, however long sequences are")


def table(found: Sequence[Kept], plan: Plan) -> Table:
    """Lay the ratios out."""
    title = f"{plan.model}, {plan.transport}: rate of a server ÷ rate of a bare loop, {plan.rounds} rounds"
    columns = ("frames", "run, ms", "callers", "a second", "µs added", "ratio", "from, to", "differing")
    shown = Table(*columns, title=title, title_justify="left")
    for each in found:
        spread = f"{each.least:.3f}, {each.most:.3f}"
        rates = (f"{each.per_second:.0f}", f"{each.added_us:.0f}", f"{each.ratio:.3f}", spread)
        shown.add_row(str(each.frames), f"{each.run_ms:.2f}", str(each.callers), *rates, str(each.differing))
    return shown


@click.command()
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Models to serve. Default: --model alone, trained for an epoch.",
)
@click.option(
    "--model", default=MODEL, show_default=True, help="Model to ask; <task>-<architecture>-<norm> to train it."
)
@click.option(
    "--run-ms",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True),
    default=(2, 5, 10),
    show_default=True,
    help="Least time of a run; sequences are as long as that takes.",
)
@click.option("--callers", multiple=True, type=click.IntRange(min=1), default=(1, 8), show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=2.0, show_default=True, help="Of each turn."
)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="After one to warm up.")
@click.option("--transport", type=click.Choice(["grpc", "httpunk"]), default="grpc", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a row.")
def main(repository: Path | None, as_json: bool, **options: object) -> None:
    """Compare a server, on a core of its own, with a bare loop on that core.

    Exit codes: 0 measured, 1 failed or an answer differs, 2 wrong usage.
    """
    plan = Plan(**options)  # type: ignore[arg-type]
    if repository is None and plan.model.count("-") != 2:
        raise click.UsageError(f"{plan.model!r} is no <task>-<architecture>-<norm>: --repository has to have it")
    with models_of(repository, plan.model) as models:
        try:
            found = measure(models, plan)
        except grpc.RpcError as error:
            raise click.ClickException(str(from_rpc_error(error))) from error
        except (ServerError, WorkloadError) as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        for each in found:
            click.echo(json_text(asdict(each)))
    else:
        Console().print(table(found, plan))
    raise SystemExit(1 if any(each.differing for each in found) else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench.large_model")
