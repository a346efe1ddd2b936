"""The monitoring demonstration from beginning to end: make, measure offline, serve, shift, recalibrate, report."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.load_generator.load import Load
from bench.monitoring_cost import Ratios, compare, variants
from bench.server.process import ServerError, serving
from demo import display
from demo.environment import this_environment
from demo.monitoring import build_models, offline, verdict
from demo.monitoring.live import play
from demo.monitoring.plan import TASK, Plan, model_name, write_settings
from demo.monitoring.recalibration import Episode, Sources, propose_all
from demo.monitoring.report_page import page
from demo.monitoring.result import Live, Proposal, Report
from demo.monitoring.tables import tables
from demo.plan import SERVER_SETTINGS, DemoError
from export import ExportError
from models.data import DataError, load
from soloist import SoloistError
from soloist.json_text import json_text


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Paths under --out; `checkpoints` outlive a run."""

    root: Path

    @property
    def repository(self) -> Path:
        """Exported models."""
        return self.root / "repository"

    @property
    def checkpoints(self) -> Path:
        """Trained models, by all that they depend on."""
        return self.root / "checkpoints"

    @property
    def prediction_log(self) -> Path:
        """What the server remembers of answers, and their labels."""
        return self.root / "predictions.db"

    def clear(self) -> None:
        """Remove what an earlier run left, checkpoints excepted."""
        shutil.rmtree(self.repository, ignore_errors=True)
        for path in self.root.glob("predictions.db*"):
            path.unlink()
        self.repository.mkdir(parents=True)


def main(out: Path, plan: Plan) -> int:
    """Run the demonstration and write its report under `out`; returns the exit code, 0 when all was measured."""
    progress, console = Console(stderr=True, highlight=False), display.output()
    try:
        report = demonstrate(plan, Folder(root=out), progress)
    except (DemoError, ServerError, ExportError, DataError, SoloistError, BrokenExecutor) as error:
        progress.print(f"soloist: demo failed: {error}", style="red", markup=False)
        return 1
    (out / "report.json").write_text(json_text(report.as_json(), indent=2) + "\n")
    (out / "report.html").write_text(page(report))
    for table in tables(report):
        console.print(table)
    for text in report.failures:
        console.print(f"FAILED: {text}", style="red", soft_wrap=True, markup=False)
    console.print(f"all done in {report.seconds:.0f} s; {out / 'report.html'}")
    return 0 if report.passed else 1


def demonstrate(plan: Plan, folder: Folder, progress: Console) -> Report:
    """Run every part and return the report.

    Raises:
        DemoError: A part failed.
        ServerError: A server didn't start.
        ExportError: A model couldn't be exported.
        DataError: The data set can't be had.
        SoloistError: The server refused what has to be answered.
        BrokenExecutor: A training process was killed.

    """
    started = time.perf_counter()
    folder.clear()
    with display.training(progress, build_models.job_names(plan)) as show:
        checkpoints = build_models.build_all(plan, folder.repository, folder.checkpoints, show)
    with display.training(progress, offline.job_names(plan)) as show:
        exact = offline.measure_all(plan, checkpoints, show)
    live, exit_code = _live(plan, folder, checkpoints, progress)
    progress.print("what watching costs: servers in turn")
    costs = measure_cost(plan, folder.repository)
    return Report(
        seeds=list(plan.seeds),
        plan=plan.as_json(),
        offline=exact,
        live=live,
        costs=costs,
        seconds=time.perf_counter() - started,
        server_exit_code=exit_code,
        environment=this_environment(),
        failures=verdict.failures(plan, exact, live, costs, exit_code),
    )


def _live(plan: Plan, folder: Folder, checkpoints: dict[tuple[int, str], Path], progress: Console) -> tuple[Live, int]:
    settings = folder.root / "server.toml"
    write_settings(plan, settings, folder.prediction_log)
    log = folder.root / "server.log"
    with serving(folder.repository, SERVER_SETTINGS, log=log, config=settings) as server:
        progress.print(f"server ready after {server.ready_seconds:.1f} s: grpc {server.grpc}, http {server.http}")
        sources = Sources(
            server=server.grpc,
            repository=folder.repository,
            prediction_log=folder.prediction_log,
            checkpoints=checkpoints,
        )

        def recalibrate(episode: Episode) -> list[Proposal]:
            with display.training(progress, offline.job_names(plan)) as show:
                return propose_all(plan, sources, episode, show)

        played = play(plan, load(TASK), server.grpc, recalibrate=recalibrate, say=progress.print)
        live = asyncio.run(played)
    return live, server.exit_code


def measure_cost(plan: Plan, repository: Path) -> list[Ratios]:
    """Load servers that watch, and one that does not, in turn; that one comes first. Raises DemoError, SoloistError."""
    load = Load(
        server="",
        model=model_name(plan.seeds[0]),
        rate_per_second=plan.cost_rate_per_second,
        seconds=plan.cost_seconds,
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            return compare(repository, variants(Path(folder)), load, rounds=plan.cost_rounds)
        except ServerError as error:
            raise DemoError(f"cost: {error}") from error
