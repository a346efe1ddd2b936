"""`python -m bench.request_path`: where the processor time of a request goes, stage by stage.

Whole sequences and streams of one-frame chunks go through the handlers of a server without a network, with so many in
flight. A stage is timed by functions that this program puts in the place of the server's own, or by difference with a
server that lacks the part. The transport is what a real server takes more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.load_generator.workload import WorkloadError, synthetic_sequences
from bench.request_stages.in_memory import memory_server
from bench.request_stages.load import streams, whole_sequences
from bench.request_stages.measure import COLUMNS, Bench, Sample, Stages, medians
from bench.server.process import ServerError, serving
from bench.small_model import MODEL, models_of, repository_option
from service.app.settings import load_settings
from service.app.transports import runner
from soloist.json_text import json_text

_STREAM_CHUNKS = 50


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: `count` requests for each stage, kind of traffic and number in flight, again and again."""

    model: str
    in_flight: Sequence[int]
    count: int
    repetitions: int
    alone: bool = False
    transport: bool = True


async def measure(repository: Path, plan: Plan) -> list[Stages]:
    """Measure all stages. Raises ServerError, WorkloadError, and ServiceError if there is no such model."""
    settings = {"workers": 1, "skew_probe_ratio": 0, "metrics_cache_seconds": 0}
    if plan.alone:
        settings["max_batch_size"] = 1
    with serving(repository, settings) if plan.transport else nullcontext() as real:
        async with memory_server(repository, **settings) as memory:
            servable = memory.parts.models.repository.route(plan.model, 0)
            sequences = synthetic_sequences(servable.manifest, seed=0)
            traffics = [whole_sequences(plan.model, sequences)]
            if servable.manifest.causal:
                traffics.append(streams(plan.model, sequences, chunks=_STREAM_CHUNKS))
            bench = Bench(memory, servable, real)
            found: dict[tuple[int, int], list[Sample]] = {}
            for _ in range(plan.repetitions + 1):
                for index, traffic in enumerate(traffics):
                    for at_once in plan.in_flight:
                        sample = await bench.sample(traffic, at_once, plan.count)
                        found.setdefault((index, at_once), []).append(sample)
    return [medians(traffics[index], at_once, samples) for (index, at_once), samples in sorted(found.items())]


def table(found: Sequence[Stages], plan: Plan) -> Table:
    """Lay the stages out, one column a kind of traffic and number in flight."""
    title = f"{plan.model}{', not sharing runs' if plan.alone else ''}: processor time of a request, µs"
    shown = Table("in flight", title=title, title_justify="left")
    for each in found:
        shown.add_column(f"{each.traffic} {each.in_flight}", justify="right")
    for stage in COLUMNS:
        shown.add_row(stage, *(f"{each.us[stage]:.1f}" for each in found))
    shown.add_section()
    shown.add_row("all but transport, run", *(f"{each.own_us:.1f}" for each in found))
    shown.add_row("bare run", *(f"{each.bare_us:.1f}" for each in found))
    shown.add_row("ratio of the two", *(f"{each.ratio:.2f}" for each in found))
    shown.add_row("rows a run", *(f"{each.rows_a_run:.1f}" for each in found))
    shown.add_row("runs on the event loop, %", *(f"{100 * each.on_loop:.0f}" for each in found))
    shown.add_row("functions called, Python", *(f"{each.python_calls:.0f}" for each in found))
    shown.add_row("functions called, C", *(f"{each.c_calls:.0f}" for each in found))
    return shown


@click.command()
@repository_option
@click.option("--model", default=MODEL, show_default=True, help="Model to ask.")
@click.option("--in-flight", multiple=True, type=click.IntRange(min=1), default=(1, 8, 32), show_default=True)
@click.option("--count", type=click.IntRange(min=1), default=500, show_default=True, help="Requests a measurement.")
@click.option("--repetitions", type=click.IntRange(min=1), default=7, show_default=True, help="After one to warm up.")
@click.option("--alone", is_flag=True, help="Let no requests share a run, as without a certificate.")
@click.option("--transport/--no-transport", default=True, show_default=True, help="Call a real server, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a row.")
def main(repository: Path | None, as_json: bool, **options: object) -> None:
    """Print where the processor time of a request goes.

    Exit codes: 0 measured, 1 failed, 2 wrong usage.
    """
    plan = Plan(**options)  # type: ignore[arg-type]
    if repository is None and plan.model != MODEL:
        raise click.UsageError("--model needs --repository")
    with models_of(repository) as models:
        try:
            found = runner(load_settings({"repository": str(models)}))(
                measure(models, plan)
            )  # the event loop of a server
        except (ServerError, WorkloadError) as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        for each in found:
            click.echo(json_text({**asdict(each), "own_us": each.own_us, "own_ratio": each.ratio}))
    else:
        Console().print(table(found, plan))


if __name__ == "__main__":
    main(prog_name="python -m bench.request_path")
