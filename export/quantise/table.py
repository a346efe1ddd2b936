"""`python -m export.quantise.table`: models and their int8 variants, measured side by side, in one table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.certification import read_model
from export.certify import word
from export.errors import ExportError
from export.quantise.measurement import NEIGHBOURS, Drift, Latency, drift, latencies
from export.quantise.model import METHODS, precision
from export.quantise.run import DIMENSIONS, find
from models.data import load
from service.engine.one_step import open_graph
from soloist.v1.model_pb2 import Model

COLUMNS = ("model", "precision", "accuracy", "bytes", "of float32", "sequence ×", "step ×", *DIMENSIONS.values())
COLUMNS += ("neighbours' effect", "flipped")
_TITLE = (
    "held-out accuracy; size of the file; median latency as a ratio to float32, measured turn by turn; certificate;\n"
    f"an answer alone against the same with {NEIGHBOURS} neighbours ×10: largest difference of an output,\n"
    "and other top classes"
)


def table(names: list[str], repository: Path, *, rounds: int, console: Console) -> Table:
    """Measure each float32 model and those of its variants that are there. Raises ExportError for an unknown name."""
    rows = Table(*COLUMNS, title=_TITLE)
    for name in track(names, "measuring", console=console, transient=True):
        paths = variants(name, repository)
        models = [read_model(path) for path in paths]
        test = load(models[0].task).test
        graphs = [open_graph(path, model) for path, model in zip(paths, models, strict=True)]
        times = latencies(graphs, test, rounds=rounds)
        sizes = [path.stat().st_size for path in paths]
        for model, graph, timed, size in zip(models, graphs, times, sizes, strict=True):
            last = model is models[-1]
            cells = _cells(model, timed, times[0], size, sizes[0], drift(graph, test))
            rows.add_row(name, *cells, end_section=last)
    return rows


def variants(name: str, repository: Path) -> list[Path]:
    """Return the files of a model and of its variants that are in the repository. Raises ExportError as `find` does."""
    siblings = [f"{name}-{precision(method)}" for method in METHODS]
    return [find(each, repository) for each in [name, *(each for each in siblings if (repository / each).is_dir())]]


def _cells(model: Model, timed: Latency, base: Latency, size: int, base_size: int, found: Drift) -> list[str]:
    verdicts = {verdict.dimension: word(verdict) for verdict in model.certificate.verdicts}
    return [
        model.precision,
        f"{model.accuracy.ratio:.2%}",
        str(size),
        f"{size / base_size:.2f}",
        f"{timed.sequence / base.sequence:.2f}",
        f"{timed.step / base.step:.2f}",
        *(verdicts.get(dimension, "").partition(" (")[0] for dimension in DIMENSIONS),
        f"{found.largest:.2g}",
        f"{found.flipped} of {found.asked}",
    ]


def main() -> int:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description="Compare models with their int8 variants (soloist quantise).")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a float32 model in the repository")
    parser.add_argument("--repository", type=Path, required=True, help="folder of models")
    parser.add_argument("--rounds", type=int, default=200, help="how often each is timed (default: 200)")
    arguments = parser.parse_args()
    try:
        rows = table(arguments.names, arguments.repository, rounds=arguments.rounds, console=Console(stderr=True))
    except ExportError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Console(width=None if sys.stdout.isatty() else 200).print(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
