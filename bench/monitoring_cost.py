"""`python -m bench.monitoring_cost`: what watching answers costs, as ratios in one run.

One server a variant, all on one repository; they are loaded in turn, forwards and backwards, so that a machine that
gets slower or busier slows them all. A ratio is of two loads of one round, and the median over the rounds is printed.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.load_generator.load import Load, Mode
from bench.load_generator.run import measure
from bench.load_generator.workload import WorkloadError
from bench.server.process import ServerError, ServerProcess, serving
from soloist import SoloistError
from soloist.json_text import json_text

# What is on by default, turned off.
_NOTHING = {"skew_probe_ratio": "0"}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A server, and the settings that make it another one."""

    name: str
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One load of one variant: processor time of the server for a request, and the requests' latency."""

    cpu_ms: float
    p50_ms: float
    p99_ms: float
    answered: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """A variant beside the first one: medians over the rounds, and the least and largest of the processor time's."""

    name: str
    cpu_ms: float
    cpu_ratio: float
    least_cpu_ratio: float
    largest_cpu_ratio: float
    p50_ratio: float
    p99_ratio: float
    failed: int


def variants(folder: Path) -> list[Variant]:
    """Return what is compared; the first is what the others are measured against. Files go into `folder`."""
    return [
        Variant(name="unwatched", settings=_NOTHING),
        # The same once more: what its ratio is away from 1 is the machine's noise.
        Variant(name="unwatched again", settings=_NOTHING),
        Variant(name="prediction log", settings=_NOTHING | {"prediction_log": str(folder / "predictions.db")}),
        Variant(name="1 % of normalisers probed", settings={"skew_probe_ratio": "0.01"}),
        Variant(name="all probed, in 0.1 of a core", settings={"skew_probe_ratio": "1"}),
    ]


async def load_once(server: ServerProcess, load: Load) -> Cost:
    """Load a server and see what it took. Raises SoloistError and WorkloadError."""
    before = server.cpu_seconds()
    summary = await measure(load)
    used_seconds = server.cpu_seconds() - before
    return Cost(
        cpu_ms=1000 * used_seconds / max(summary.answered, 1),
        p50_ms=summary.sequence.p50_ms,
        p99_ms=summary.sequence.p99_ms,
        answered=summary.answered,
        failed=summary.scheduled - summary.answered,
    )


def ratios(name: str, costs: Sequence[Cost], reference: Sequence[Cost]) -> Ratios:
    """Compare round by round."""
    pairs = list(zip(costs, reference, strict=True))
    cpu = [one.cpu_ms / other.cpu_ms for one, other in pairs]
    return Ratios(
        name=name,
        cpu_ms=statistics.median(cost.cpu_ms for cost in costs),
        cpu_ratio=statistics.median(cpu),
        least_cpu_ratio=min(cpu),
        largest_cpu_ratio=max(cpu),
        p50_ratio=statistics.median(one.p50_ms / other.p50_ms for one, other in pairs),
        p99_ratio=statistics.median(one.p99_ms / other.p99_ms for one, other in pairs),
        failed=sum(cost.failed for cost in costs),
    )


def compare(repository: Path, compared: Sequence[Variant], template: Load, *, rounds: int) -> list[Ratios]:
    """Serve all variants and load them in turn. Raises ServerError, SoloistError and WorkloadError."""
    costs: dict[str, list[Cost]] = {variant.name: [] for variant in compared}
    with ExitStack() as stack:
        servers = {each.name: stack.enter_context(serving(repository, each.settings)) for each in compared}
        progress = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        task = progress.add_task("loads", total=(rounds + 1) * len(compared))
        for number in range(rounds + 1):
            order = list(servers) if number % 2 else list(reversed(servers))
            for name in order:
                load = Load(**{**asdict(template), "server": servers[name].grpc, "seed": number})
                cost = asyncio.run(load_once(servers[name], load))
                if number:  # the first round warms up
                    costs[name].append(cost)
                progress.advance(task)
    reference = costs[compared[0].name]
    return [ratios(variant.name, costs[variant.name], reference) for variant in compared]


def _table(found: Sequence[Ratios], template: Load, rounds: int) -> Table:
    title = (
        f"{template.model}, {template.mode}, {template.rate_per_second:g} a second, {rounds} rounds; "
        "processor time is of a request"
    )
    table = Table("server", "processor ms", "ratio", "from, to", "p50 ratio", "p99 ratio", title=title)
    for each in found:
        spread = f"{each.least_cpu_ratio:.3f}, {each.largest_cpu_ratio:.3f}"
        figures = (f"{each.cpu_ms:.3f}", f"{each.cpu_ratio:.3f}", spread, f"{each.p50_ratio:.3f}")
        table.add_row(each.name, *figures, f"{each.p99_ratio:.3f}")
    return table


@click.command()
@click.option("--repository", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--model", required=True, help="Model to ask.")
@click.option("--rate", "rate_per_second", type=click.FloatRange(min=1), default=200.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Of each load.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="After one to warm up.")
@click.option("--mode", type=click.Choice(Mode, case_sensitive=False), default=Mode.UNARY, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a variant.")
def main(
    repository: Path, model: str, rate_per_second: float, seconds: float, rounds: int, mode: Mode, as_json: bool
) -> None:
    """Compare servers that watch their answers with one that does not, under the same load.

    Exit codes: 0 all requests were answered, 1 some failed, 2 wrong usage.
    """
    template = Load(server="", model=model, rate_per_second=rate_per_second, seconds=seconds, mode=mode)
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = compare(repository, variants(Path(folder)), template, rounds=rounds)
        except (ServerError, SoloistError, WorkloadError, ValueError) as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        for each in found:
            click.echo(json_text(asdict(each)))
    else:
        Console().print(_table(found, template, rounds))
    raise SystemExit(1 if any(each.failed for each in found) else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench.monitoring_cost")
