"""`python -m bench.peers`: Soloist and other servers of the same model, measured by turns."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.peers.catalogue import PEERS, REFERENCE, SOLOIST
from bench.peers.environments import PeerError
from bench.peers.launch import Place
from bench.peers.page import write
from bench.peers.rounds import Found, Plan, Rounds
from bench.peers.summary import IN_FLIGHT
from bench.peers.tables import sheets
from bench.small_model import MODEL, small_model

_WIDTH = 140  # of tables that go to a file
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--repository", type=_FOLDER, help="Models, one of them vowels-lstm-layer. Default: it is trained, for an epoch."
)
@click.option("--only", multiple=True, metavar="TEXT", help="Servers with this text in their names; may be repeated.")
@click.option("--in-flight", multiple=True, type=click.IntRange(min=1), default=IN_FLIGHT, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="How often each is measured.")
@click.option("--seconds", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Length of a slice.")
@click.option(
    "--environments",
    type=click.Path(path_type=Path),
    default="build/peers",
    show_default=True,
    help="Where other servers are installed, once.",
)
@click.option("--out", type=click.Path(path_type=Path), default="out/peers", show_default=True, help="For the results.")
def main(
    repository: Path | None,
    only: Sequence[str],
    in_flight: Sequence[int],
    rounds: int,
    seconds: float,
    environments: Path,
    out: Path,
) -> None:
    """Measure Soloist beside other servers, and write peers.json, peers.md and peers.svg.

    Exit codes: 0 measured, 1 failed or Soloist gave a wrong answer, 2 wrong usage.
    """
    chosen = [peer for peer in PEERS if REFERENCE in peer.unary or not only or any(text in peer.name for text in only)]
    plan = Plan(peers=chosen, in_flight=sorted(set(in_flight)), rounds=rounds, seconds=seconds)
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    with _model() if repository is None else nullcontext(repository) as models:
        try:
            found = _measured(plan, models, environments.resolve())
        except PeerError as error:
            raise click.ClickException(str(error)) from error
    tables = sheets(found)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for table in tables:
        console.print(table.as_rich())
    write(out, found, tables, plan, command=shlex.join(["python", "-m", "bench.peers", *sys.argv[1:]]), date=date)
    console.print(f"written: {out}")
    if wrong := sum(each.wrong for each in found.slices if each.row in SOLOIST):
        raise click.ClickException(f"{wrong} answers of Soloist have other bits than those of the model in a loop")


@contextmanager
def _model() -> Iterator[Path]:
    """Train and export the model, and tell that it takes a while."""
    with ExitStack() as stack:
        with Console(stderr=True).status("training and exporting the model"):
            repository = stack.enter_context(small_model())
        yield repository


def _measured(plan: Plan, repository: Path, environments: Path) -> Found:
    cores = sorted(os.sched_getaffinity(0))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Without a thread of its own, which would take processor time from the client.
    progress = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
    with TemporaryDirectory(prefix="soloist-peers-") as folder, progress:
        task = progress.add_task("", total=plan.steps())

        def tell(what: str) -> None:
            progress.update(task, advance=1, description=what, refresh=True)

        place = Place(
            server_cores={cores[0]},
            client_cores={cores[-1]},
            repository=repository.resolve(),
            model=MODEL,
            folder=Path(folder),
        )
        return Rounds(plan, place, environments, tell).run()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # no server outlives this program
    main(prog_name="python -m bench.peers")
