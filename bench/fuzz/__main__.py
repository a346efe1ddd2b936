"""`python -m bench.fuzz`: send a server of its own what no caller should, and see that it says so and lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.fuzz import script as scripts
from bench.fuzz.file_run import FilePlan, run_files
from bench.fuzz.run import TRANSPORTS, Plan, Result, replay, run
from bench.fuzz.script import KINDS, Kind
from bench.recorded import recording, write_record
from bench.server.process import ServerError
from bench.server.redis import NoRedisError
from soloist.cli.parameter_types import SEED

_MOST_CAUSES = 15
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--repository", type=_FOLDER, default="out/demo/repository", show_default=True, help="Models to serve, in a copy."
)
@click.option("--inputs", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Messages to send.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of all inputs.")
@click.option("--kinds", type=click.Choice(KINDS), multiple=True, default=KINDS, show_default=True, help="To send.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True, help="That send.")
@click.option("--concurrency", type=click.IntRange(min=1), default=16, show_default=True, help="Calls of each at once.")
@click.option("--transport", type=click.Choice(TRANSPORTS), default=TRANSPORTS[0], show_default=True, help="To try.")
@click.option("--out", type=click.Path(path_type=Path), default="out/fuzz", show_default=True, help="What did harm.")
@click.option("--files", is_flag=True, help="Break files of the repository instead: so many versions as --inputs.")
@click.option("--stored", is_flag=True, help="Keep sequences by id in a Redis of its own (redis-server on the PATH).")
@click.option("--record", type=click.Path(path_type=Path), help="A folder for the record of the run.")
@click.option(
    "--replay", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Send one kept input."
)
def main(
    repository: Path,
    inputs: int,
    seed: int,
    kinds: tuple[str, ...],
    processes: int,
    concurrency: int,
    transport: str,
    out: Path,
    files: bool,  # click passes it by name
    stored: bool,
    record: Path | None,
    file: Path | None,
) -> None:
    """Send every method of a server what no caller should, and count what comes of it.

    Exit codes: 0 no input did harm, 1 one did, or the server suffered, 2 wrong usage.
    """
    console = recording()
    try:
        if file is not None:
            raise SystemExit(_replay(file, repository, transport, out, console, stored=stored))
        if files:
            file_plan = FilePlan(
                repository=repository,
                inputs=inputs,
                seed=seed,
                concurrency=processes,
                out=out,
                transport=transport,
            )
            raise SystemExit(_files(file_plan, console, record))
        plan = Plan(
            repository=repository,
            messages=inputs,
            seed=seed,
            kinds=cast("tuple[Kind, ...]", kinds),
            processes=processes,
            concurrency=concurrency,
            transport=transport,
            out=out,
            stored=stored,
        )
        result = _watched(plan)
    except (NoRedisError, ServerError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    _print(result, console)
    if record is not None:
        calls = {" ".join(each): count for each, count in sorted(result.outcomes.items())}
        figures = {"calls": calls, "seconds": result.seconds, "memory": result.memory, "is_clean": result.is_clean}
        write_record(record, f"fuzz{'-stored' * stored}-{transport}", "Hostile inputs", console, figures)
    raise SystemExit(0 if result.is_clean else 1)


def _replay(file: Path, repository: Path, transport: str, out: Path, console: Console, *, stored: bool) -> int:
    outcomes = replay(scripts.read(file), repository, transport, out / "server.log", stored=stored)
    for outcome in outcomes:
        console.print(f"{outcome.code} {outcome.reason} {outcome.details}".strip(), markup=False)
        if outcome.fault:
            console.print(f"  {outcome.fault}", markup=False)
    return 1 if any(outcome.fault for outcome in outcomes) else 0


def _files(plan: FilePlan, console: Console, record: Path | None) -> int:
    with _progress(plan.inputs, "versions") as tell:
        result = run_files(plan, tell)
    table = Table("changed, and what came of it", "versions")
    table.columns[-1].justify = "right"
    for outcome, count in sorted(result.outcomes.items()):
        table.add_row(outcome, str(count))
    console.print(table)
    for cause, count in result.causes.most_common(_MOST_CAUSES):
        console.print(f"{count:6} {cause}", markup=False)
    console.print(f"{plan.inputs} versions in {result.seconds:.0f} s")
    console.print(f"memory of the server: {result.memory_before:.0f} MiB before, {result.memory_after:.0f} MiB after")
    for harm in result.harm:
        console.print(harm, markup=False)
    console.print("no file did harm" if result.is_clean else "something did harm")
    if record is not None:
        write_record(record, f"fuzz-files-{plan.transport}", "Hostile files", console, vars(result))
    return 0 if result.is_clean else 1


def _watched(plan: Plan) -> Result:
    with _progress(plan.messages, "inputs") as tell:
        return run(plan, tell)


@contextmanager
def _progress(total: int, what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def tell(sent: int, harmful: int) -> None:
            progress.update(task, completed=sent, description=f"{what}, {harmful} did harm" if harmful else what)

        yield tell


def _print(result: Result, console: Console) -> None:
    table = Table("method", "code", "reason", "calls")
    table.columns[-1].justify = "right"
    for (path, code, reason), count in sorted(result.outcomes.items()):
        table.add_row(path.lstrip("/"), code, reason, str(count))
    console.print(table)
    rate = result.messages / result.seconds
    console.print(f"{result.messages} inputs in {result.seconds:.0f} s, {rate:.0f} a second")
    before, *parts, after = (f"{each:.0f}" for each in result.memory)
    console.print(f"memory of the server, in MiB: {before} before, {after} at the end")
    console.print(f"  after each tenth of the inputs: {', '.join(parts)}")
    for sort, count in result.findings.counts.most_common():
        _, outcome = result.findings.smallest[sort]
        said = f"{count} inputs: {outcome.fault}: {outcome.code} {outcome.reason} {outcome.details[:300]!r}"
        console.print(said, markup=False)
        console.print(f"  the smallest is in {result.findings.file(sort)}", markup=False)
    for fault in result.faults:
        console.print(fault, markup=False)
    console.print("no input did harm" if result.is_clean else "something did harm")


if __name__ == "__main__":
    main(prog_name="python -m bench.fuzz")
