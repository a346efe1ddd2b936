"""`python -m export.probe.cost`: size and time of a probe in units of its model, for models of the zoo's sizes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from export.fold import fold
from export.graph import trace
from export.one_step import has_scan, one_step
from export.one_step_cost import medians
from export.probe.graph import sum_of_squares_output, sum_output, trace_probe
from export.signature import signature
from models import zoo
from models.data import load
from service.engine.graph import Graph
from service.engine.probe import Probe
from service.engine.session import open_session
from soloist.v1.model_pb2 import Model, ProbedLayer

TASK = "digits"
ARCHITECTURES = ("tcn", "lstm", "transformer")
NORMS = ("batch", "layer")
SHAPES = ((1, 1), (1, 64), (8, 64))  # rows, frames


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A model as it is served, and its probe; `ratio` is the probe's size in units of model.onnx."""

    graph: Graph
    probe: Probe
    ratio: float


def pair(architecture: str, norm: str) -> Pair:
    """Return an untrained model with its probe."""
    torch.manual_seed(0)
    config = zoo.with_norm(zoo.DEFAULTS[TASK, architecture], norm)
    model = zoo.build(load(TASK).spec, architecture, config).eval()
    traced, (probed, layers) = trace(fold(model)[0]), trace_probe(model)
    described = Model(signature=signature(model))
    described.probe.layers.extend(
        ProbedLayer(name=name, sum_output=sum_output(name), sum_of_squares_output=sum_of_squares_output(name))
        for name in layers
    )
    content, probe_content = traced.SerializeToString(), probed.SerializeToString()
    single = open_session(one_step(traced).SerializeToString()) if has_scan(traced) else None
    return Pair(
        graph=Graph(open_session(content), described.signature, one_step=single),
        probe=Probe(open_session(probe_content), described),
        ratio=len(probe_content) / len(content),
    )


def time_ratio(measured: Pair, rows: int, frames: int, rounds: int) -> float:
    """Return the probe's median time in units of the model's, on the same input."""
    shape = (rows, frames, measured.graph.signature.frames.shape[2])
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    given = (x, [frames] * rows, measured.graph.zero_states(rows))
    calls: dict[str, Callable[[], object]] = {
        "model": partial(measured.graph.run, *given),
        "probe": partial(measured.probe.run, *given),
    }
    took = medians(calls, rounds)
    return took["probe"] / took["model"]


def main() -> None:
    """Print a table: what a probe adds at a share of the traffic is that share of its time."""
    parser = argparse.ArgumentParser(description="Measure the probe against the model it belongs to.")
    parser.add_argument("--rounds", type=int, default=500, help="measurements of each")
    rounds = parser.parse_args().rounds
    columns = [f"time, {rows} × {frames}" for rows, frames in SHAPES]
    table = Table("model", "size", *columns, title=f"Probe, in units of its model ({TASK}; rows × frames)")
    for architecture in ARCHITECTURES:
        for norm in NORMS:
            measured = pair(architecture, norm)
            times = [f"{time_ratio(measured, *shape, rounds):.2f}" for shape in SHAPES]
            table.add_row(f"{architecture}-{norm}", f"{measured.ratio:.2f}", *times)
    Console().print(table)


if __name__ == "__main__":
    main()
