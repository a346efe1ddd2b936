"""`python -m bench.scrape`: how large the metrics page is, and how long pings take while scrapers ask for it endlessly.

One server a number of versions, all of them copies of one model. The page is measured before any call, and after one
Predict to every version. Series a version are those that bear the model's name, divided by the versions. Pings are gRPC
health checks, one after the other on one connection, so each tells how long the event loop was away; scrapers are
threads of another process, each asking again as soon as it has its answer.
"""

from __future__ import annotations

import multiprocessing
import shutil
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path

import click
import grpc
from rich.console import Console
from rich.table import Table

from bench.load_generator.workload import WorkloadError, synthetic_sequences
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerError, ServerProcess, serving
from soloist import Client
from soloist.client.channel import options
from soloist.json_text import json_text

_CHECK = "/grpc.health.v1.Health/Check"
_SETTINGS = {"version_policy": "all", "certify_seconds": "0", "metrics_cache_seconds": "1"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """A metrics page: its size, how long it took in milliseconds, and its series a version."""

    page_bytes: int
    page_ms: float
    series: float


@dataclass(frozen=True, kw_only=True)
class Pings:
    """What one server does under some scrapers; times in milliseconds."""

    versions: int
    idle: Page
    used: Page
    scrapers: int
    pings: int
    p50_ms: float
    p99_ms: float
    slowest_ms: float


def measure(model: Path, versions: int, scrapers: Sequence[int], seconds: float) -> Iterator[Pings]:
    """Serve copies of the newest version of `model`, and ping for `seconds` beside each number of scrapers.

    Raises:
        ServerError: the server doesn't start.
        WorkloadError: no frames can be made up for the model.

    """
    with tempfile.TemporaryDirectory() as folder:
        _copy(model, Path(folder) / model.name, versions)
        with serving(Path(folder), _SETTINGS) as server:
            idle = _measure_page(server, model.name, versions)
            _call(server, model.name, versions)
            used = _measure_page(server, model.name, versions)
            for count in scrapers:
                with _scraping(server.http, count):
                    found = _ping(server, seconds)
                yield Pings(
                    versions=versions,
                    idle=idle,
                    used=used,
                    scrapers=count,
                    pings=len(found),
                    p50_ms=1000 * statistics.median(found),
                    p99_ms=1000 * statistics.quantiles(found, n=100)[-1],
                    slowest_ms=1000 * max(found),
                )


def _measure_page(server: ServerProcess, model: str, versions: int) -> Page:
    took: list[float] = []
    for _ in range(3):
        time.sleep(1.1)  # the page of before is kept for a second
        began = time.perf_counter()
        page = MetricsPage.read(server.http).text
        took.append(time.perf_counter() - began)
    series = sum(f'model="{model}"' in line for line in page.splitlines() if not line.startswith("#"))
    return Page(page_bytes=len(page), page_ms=1000 * statistics.median(took), series=series / versions)


def _call(server: ServerProcess, model: str, versions: int) -> None:
    with Client(server.grpc) as client:
        manifest = client.model(model).manifest
        if manifest is None:
            raise WorkloadError(f"{model!r} is not ready")
        frames = synthetic_sequences(manifest, seed=0)[0]
        for version in range(1, versions + 1):
            client.predict(model, frames, version=version)


def _copy(model: Path, target: Path, versions: int) -> None:
    folders = [each for each in model.iterdir() if each.name.isdecimal()]
    newest = max(folders, key=lambda each: int(each.name), default=None)
    if newest is None:
        raise ServerError(f"{model} holds no version")
    for version in range(1, versions + 1):
        shutil.copytree(newest, target / str(version))


def _ping(server: ServerProcess, seconds: float) -> list[float]:
    found: list[float] = []
    with grpc.insecure_channel(server.grpc, options(server.grpc)) as channel:
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_CHECK)
        check(b"", timeout=10)  # connects
        give_up = time.perf_counter() + seconds
        while (began := time.perf_counter()) < give_up:
            check(b"", timeout=60)
            found.append(time.perf_counter() - began)
    return found


@contextmanager
def _scraping(http: str, count: int) -> Iterator[None]:
    if not count:
        yield
        return
    context = multiprocessing.get_context("spawn")
    stop, started = context.Event(), context.Semaphore(0)
    process = context.Process(target=scrape, args=(http, count, started, stop))
    process.start()
    try:
        for _ in range(count):
            started.acquire()
        yield
    finally:
        stop.set()
        process.join()


def scrape(http: str, count: int, started: Semaphore, stop: Event) -> None:
    """Scrape with `count` threads until `stop` is set; each releases `started` after its first page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def loop() -> None:
        is_first = True
        while not stop.is_set():
            with opener.open(f"http://{http}/metrics", timeout=60) as response:
                response.read()
            if is_first:
                started.release()
                is_first = False

    threads = [threading.Thread(target=loop) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _table(found: Sequence[Pings]) -> Table:
    pages = ("page, KiB", "page, ms", "series a version", "used: page, KiB", "page, ms", "series a version")
    table = Table("versions", *pages, "scrapers", "pings", "p50, ms", "p99, ms", "slowest, ms")
    for each in found:
        sizes = [
            text
            for page in (each.idle, each.used)
            for text in (f"{page.page_bytes / 1024:.0f}", f"{page.page_ms:.1f}", f"{page.series:.1f}")
        ]
        pings = (str(each.scrapers), str(each.pings))
        times = (f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}", f"{each.slowest_ms:.1f}")
        table.add_row(str(each.versions), *sizes, *pings, *times)
    return table


@click.command()
@click.option(
    "--model", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Its folder."
)
@click.option("--versions", type=click.IntRange(min=1), multiple=True, default=(6, 300), show_default=True)
@click.option("--scrapers", type=click.IntRange(min=0), multiple=True, default=(0, 1, 10), show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Of pings, each time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def main(model: Path, versions: Sequence[int], scrapers: Sequence[int], seconds: float, as_json: bool) -> None:
    """Ping servers of so many versions while so many scrapers ask for their metrics."""
    try:
        found = [each for count in versions for each in measure(model, count, scrapers, seconds)]
    except (ServerError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for each in found:
            click.echo(json_text(asdict(each)))
    else:
        Console().print(_table(found))


if __name__ == "__main__":
    main(prog_name="python -m bench.scrape")
