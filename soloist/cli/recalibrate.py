"""`soloist recalibrate`: make a version of a BatchNorm model whose running statistics fit live traffic."""

from __future__ import annotations

import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from soloist.cli.parameter_types import UTF8, NumberRange
from soloist.cli.programs import load
from soloist.cli.session import credential_options, credentials, server_option

if TYPE_CHECKING:
    from soloist.client import SampledSequence

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("model", type=UTF8)
@click.option("--checkpoint", type=_FILE, required=True, help="The checkpoint that the version was exported from.")
@click.option("--repository", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of models.")
@click.option("--sequences", type=_FILE, help="Sampled sequences, as `soloist skew --save` writes them.")
@credential_options
@server_option("Ask a server for them instead (gRPC); also SOLOIST_SERVER.")
@click.option(
    "--prediction-log",
    type=_FILE,
    help="The server's: it knows labels of the sample, and what a shadow answered to it.",
)
@click.option("--labels", type=_FILE, help="CSV of prediction_id and label: more true classes.")
@click.option(
    "--pseudo-count",
    type=NumberRange(0),
    required=True,
    help="Weight of the stored statistics against the sample, in sequences.",
)
@click.option(
    "--newest-seconds",
    type=NumberRange(0, infinite=True),
    default=math.inf,
    show_default="all",
    help="Leave out sequences that began longer before the newest: from before a shift, for instance.",
)
@click.option(
    "--least-sequences",
    type=NumberRange(1),
    default=100.0,
    show_default=True,
    help="Independent sequences that the estimate needs.",
)
@click.option(
    "--least-seconds",
    type=NumberRange(0),
    default=600.0,
    show_default=True,
    help="Time that they must span.",
)
@click.option("--despite-gates", is_flag=True, help="Write the version even if a gate fails.")
def recalibrate(model: str, server: str, sequences: Path | None, **arguments: object) -> None:
    """Propose a version of MODEL whose running statistics blend the stored ones with those of live traffic.

    The earlier half of the sample is for estimating, the later half for judging. If every gate passes, the version is
    written and certified. It takes no traffic before an operator labels it. Nothing is ever changed in place.

    Exit codes: 0 written and every gate passed, 1 a gate failed, 2 it can't be tried.
    """
    named = click.get_current_context().get_parameter_source("server") is ParameterSource.COMMANDLINE
    if named and sequences is not None:
        raise click.UsageError("--server and --sequences exclude each other")
    sampled = partial(_fetched, server, model) if sequences is None else partial(_read, sequences)
    sys.exit(load("export.recalibrate.run", "run", extras="export")(model=model, sampled=sampled, **arguments))


def _read(path: Path, _version: int) -> list[SampledSequence]:
    from soloist.sampled_sequences import load_sample

    return load_sample(path)


def _fetched(server: str, model: str, version: int) -> list[SampledSequence]:
    from soloist.client import Monitor, SoloistError

    try:
        with Monitor(server, **credentials(server), timeout_seconds=None) as monitor:
            return list(monitor.sampled_sequences(model, version))
    except SoloistError as error:
        raise ValueError(f"{error.reason}: {error.message} ({server})") from error
