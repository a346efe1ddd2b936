"""`soloist skew`: the distance of a model's normaliser inputs from its training data."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.session import monitoring, server_options, version_option
from soloist.json_text import json_text
from soloist.text_table import text_table

if TYPE_CHECKING:
    from soloist.client import Monitor
    from soloist.client.norm_skew import LayerSkew, NormSkew, SkewFigures

_COLUMNS = ("LAYER", "KIND", "MEAN TID", "VARIANCE TID", "DIVERGENCE", "")


@click.command()
@click.argument("model", type=UTF8)
@version_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the moments of every feature.")
@click.option(
    "--save",
    "sample",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the sampled sequences of the server to an .npz file: data of users.",
)
@server_options
def skew(
    model: str, version: int | str | None, as_json: bool, sample: Path | None, server: str, timeout_seconds: float
) -> None:
    """Show, for each normalisation layer of MODEL, how far live traffic is from the running statistics.

    A cell is "figure / threshold": what held-out data rarely exceeds. Layers without running statistics are controls.
    """
    with monitoring(server, timeout_seconds) as monitor:
        found = monitor.norm_skew(model, version)
        if sample is not None:
            _save(monitor, found, sample)
    if as_json:
        click.echo(json_text(_plain(found)))
    else:
        _show(found)


def _save(monitor: Monitor, found: NormSkew, path: Path) -> None:
    from soloist.sampled_sequences import save_sample

    try:
        count = save_sample(path, monitor.sampled_sequences(found.model, found.version))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{path}: {count} sequences", err=True)


def _show(found: NormSkew) -> None:
    click.echo(f"{found.model} version {found.version} ({found.norm}): {_size(found)}")
    if not found.layers:
        return
    click.echo(text_table(_COLUMNS, map(_row, found.layers)))


def _size(found: NormSkew) -> str:
    if found.since_seconds is None or found.until_seconds is None:
        return f"nothing was probed yet, {found.probe_ratio:g} of the sequences will be"
    since, until = (
        datetime.fromtimestamp(each, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        for each in (found.since_seconds, found.until_seconds)
    )
    worth = f"worth {found.effective_sequences:.1f} fresh sequences"
    missing = "" if found.layers else f"; figures are given from {found.least_sequences} on"
    return f"{found.sequences} sequences, {found.frames} frames, {since} to {until} UTC, {worth}{missing}"


def _row(layer: LayerSkew) -> tuple[str, ...]:
    if layer.figures is None:
        return (layer.name, layer.kind, "", "", "", "control")
    cells = (_cell(layer.figures, layer.thresholds, name) for name in ("mean_tid", "variance_tid", "divergence_nats"))
    return (layer.name, layer.kind, *cells, "CROSSED" if layer.crossed else "")


def _cell(figures: SkewFigures, thresholds: SkewFigures | None, name: str) -> str:
    bound = "?" if thresholds is None else f"{getattr(thresholds, name):.4g}"
    return f"{getattr(figures, name):.4g} / {bound}"


def _plain(found: NormSkew) -> dict[str, Any]:
    return vars(found) | {"layers": [_plain_layer(layer) for layer in found.layers]}


def _plain_layer(layer: LayerSkew) -> dict[str, Any]:
    moments = {
        name: each and {"mean": list(each.mean), "variance": list(each.variance)}
        for name, each in (("live", layer.live), ("reference", layer.reference))
    }
    figures = {
        name: each and vars(each) for name, each in (("figures", layer.figures), ("thresholds", layer.thresholds))
    }
    return vars(layer) | moments | figures
