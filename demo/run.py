"""`soloist demo` from beginning to end: train, export, serve, ask, load, report."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.figures import standalone
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerError, ServerProcess, serving
from demo import display, verdict
from demo.build_models import build_all
from demo.environment import this_environment
from demo.folder import Folder
from demo.measurement import Measured, measure_model, result
from demo.normalisers import table as headline
from demo.normalisers import verdict as point
from demo.normalisers.measurement import measure_normaliser, write_settings
from demo.normalisers.plot import company
from demo.normalisers.result import NormaliserResult
from demo.normalisers.variants import KINDS, derived_names
from demo.plan import ARCHITECTURES, SERVER_SETTINGS, DemoError, Plan
from demo.report_page import page
from demo.result import Report
from demo.table import legend, table
from export import ExportError
from models.data import DataError, Dataset, Split
from soloist.json_text import json_text


def main(
    out: Path, *, epochs: int | None = None, sequences: int | None = None, load_seconds: float | None = None
) -> int:
    """Run the demonstration and write its report under `out`; returns the exit code, 0 when it passed.

    For a quick look `epochs` bounds training, `sequences` what is asked, and `load_seconds` each latency measurement.
    """
    plan = Plan(epochs=epochs, sequences=sequences)
    if load_seconds is not None:
        plan = dataclasses.replace(plan, load_seconds=load_seconds)
    progress, console = Console(stderr=True, highlight=False), display.output()
    folder = Folder(root=out)
    try:
        report = demonstrate(plan, folder, progress)
    except (DemoError, ServerError, ExportError, DataError, BrokenExecutor) as error:
        progress.print(f"soloist: demo failed: {error}", style="red", markup=False)
        return 1
    folder.report_json.write_text(json_text(report.as_json(), indent=2) + "\n")
    folder.report_html.write_text(page(report))
    folder.normalisers_svg.write_text(standalone(company(report.normalisers)))
    _tell(report, folder, console)
    return 0 if report.passed else 1


def demonstrate(plan: Plan, folder: Folder, progress: Console) -> Report:
    """Run every part and return the report.

    Raises:
        DemoError: A part failed.
        ServerError: A server didn't start.
        ExportError: A model couldn't be exported.
        DataError: The data set can't be had.
        BrokenExecutor: A training process was killed.

    """
    started = time.perf_counter()
    folder.clear([*plan.names, *derived_names()])
    data = plan.data()
    held_out = data.test
    np.save(folder.frames, held_out.sequences[0])
    with display.training(progress, plan.names) as show:
        making_seconds = build_all(plan, folder.repository, show)
    normalisers = _compare_normalisers(plan, folder, data, progress)
    with serving(folder.repository, SERVER_SETTINGS, log=folder.server_log) as server:
        measured = _measure(plan, server, held_out, progress)
        metrics = _read_metrics(server)
    models = [result(one, held_out, metrics, making_seconds=making_seconds[one.manifest.name]) for one in measured]
    return Report(
        normalisers=normalisers,
        models=models,
        seed=plan.seed,
        calls_at_once=plan.calls_at_once,
        load_rate_per_second=plan.load_rate_per_second,
        load_seconds=plan.load_seconds,
        server_ready_seconds=server.ready_seconds,
        server_exit_code=server.exit_code,
        seconds=time.perf_counter() - started,
        environment=this_environment(),
        failures=verdict.failures(models, server.exit_code) + point.failures(normalisers),
        warnings=verdict.warnings(models),
    )


def _measure(plan: Plan, server: ServerProcess, held_out: Split, progress: Console) -> list[Measured]:
    measured = []
    progress.print(f"server ready after {server.ready_seconds:.1f} s: grpc {server.grpc}, http {server.http}")
    for name in plan.names:
        progress.print(f"{name}: {len(held_out)} sequences whole and streamed, then load")
        measured.append(asyncio.run(measure_model(server.grpc, name, held_out, plan)))
    return measured


def _read_metrics(server: ServerProcess) -> MetricsPage:
    try:
        return MetricsPage.read(server.http)
    except OSError as error:
        raise DemoError(f"/metrics at {server.http} does not answer: {error}") from error


def _compare_normalisers(plan: Plan, folder: Folder, data: Dataset, progress: Console) -> list[NormaliserResult]:
    write_settings(folder)
    pairs = [(architecture, kind) for architecture in ARCHITECTURES for kind in KINDS]
    settings, log = folder.gathering_config, folder.gathering_log
    with serving(folder.repository, SERVER_SETTINGS, log=log, config=settings) as server:
        return [
            asyncio.run(measure_normaliser(server.grpc, architecture, kind, data, seed=plan.seed))
            for architecture, kind in display.counted(progress, "in company", pairs)
        ]


def _tell(report: Report, folder: Folder, console: Console) -> None:
    console.print(headline.table(report.normalisers))
    for line in headline.legend(report.normalisers):
        console.print(line, style="dim", soft_wrap=True)
    console.print(table(report))
    for line in legend(report):
        console.print(line, style="dim", soft_wrap=True)
    counted = sum(model.server.predict.counted + model.server.stream.counted for model in report.models)
    console.print(f"\n/metrics counted {counted} calls; all done in {report.seconds:.0f} s; {folder.report_html}")
    for text in report.warnings:
        console.print(f"warning: {text}", style="yellow", soft_wrap=True, markup=False)
    for text in report.failures:
        console.print(f"FAILED: {text}", style="red", soft_wrap=True, markup=False)
    if report.passed:
        console.print(
            "passed: every model answers as well when served, whole and streamed, as it does offline; neighbours "
            "change nothing but BatchNorm without its running statistics",
            soft_wrap=True,
        )
