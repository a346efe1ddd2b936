"""`python -m export.one_step_cost`: what a recurrence of single steps would save without its Scan, as ratios."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from export.fold import fold
from export.graph import trace
from export.one_step import branched, one_step
from export.signature import signature
from models import zoo
from models.config import LSTMConfig, TaskSpec
from service.certificate.difference import same_bits
from service.engine.graph import Graph
from service.engine.row import States
from service.engine.session import open_session

Array = npt.NDArray[Any]
TASK = TaskSpec(name="numbers", frames="features", feature_count=12, labels=tuple("abcdefghi"))
NORMS = ("layer", "rms", "batch_step")
HIDDEN = (64, 128)
SHAPES = ((1, 1), (32, 1), (1, 16), (32, 16))  # rows, frames
SCAN, ONE_STEP, BRANCHED = "Scan", "one step", "If"


def forms(norm: str, hidden: int) -> dict[str, Graph]:
    """Return an untrained LSTM in its three forms."""
    torch.manual_seed(0)
    model = zoo.build(TASK, "lstm", LSTMConfig(norm=norm, hidden=hidden)).eval()
    traced = trace(fold(model)[0])
    graphs = {SCAN: traced, ONE_STEP: one_step(traced), BRANCHED: branched(traced)}
    return {name: Graph(open_session(g.SerializeToString()), signature(model)) for name, g in graphs.items()}


def inputs(graph: Graph, rows: int, frames: int) -> tuple[Array, list[int], States]:
    """Draw frames, and states as they are in the middle of a stream."""
    rng = np.random.default_rng(0)
    states = {
        name: rng.normal(size=state.shape).astype(state.dtype) if state.dtype.kind == "f" else state
        for name, state in graph.zero_states(rows).items()
    }
    return rng.normal(size=(rows, frames, TASK.feature_count)).astype(np.float32), [frames] * rows, states


def medians(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each call; they take turns, in a new order every round."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls), np.random.default_rng(0)
    for _ in range(rounds):
        for name in rng.permutation(order):
            started = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in seconds.items()}


def compare(graphs: dict[str, Graph], rows: int, frames: int, rounds: int) -> dict[str, str]:
    """Return for each form its time in Scans, and whether its bits are others than the Scan's."""
    fed = inputs(graphs[SCAN], rows, frames)
    calls = {name: partial(graph.run, *fed) for name, graph in graphs.items()}
    answers = {name: call() for name, call in calls.items()}
    took = medians(calls, rounds)
    return {name: f"{took[name] / took[SCAN]:.2f}{_bits(answers[SCAN], found)}" for name, found in answers.items()}


def _bits(expected: tuple[Array, States], found: tuple[Array, States]) -> str:
    same = same_bits(expected[0], found[0])
    same = same and all(same_bits(state, found[1][name]) for name, state in expected[1].items())
    return "" if same else ", other bits"


def main() -> None:
    """Print a table: the time of each form in units of the Scan's."""
    parser = argparse.ArgumentParser(description="Measure the Scan of an LSTM against its body standing alone.")
    parser.add_argument("--rounds", type=int, default=1000, help="measurements of each form")
    rounds = parser.parse_args().rounds
    table = Table("norm", "hidden", "rows", "frames", SCAN, ONE_STEP, BRANCHED, title="Time, in Scans")
    for norm, hidden in ((norm, hidden) for norm in NORMS for hidden in HIDDEN):
        graphs = forms(norm, hidden)
        for rows, frames in SHAPES:
            compared = {name: graph for name, graph in graphs.items() if frames == 1 or name != ONE_STEP}
            cells = compare(compared, rows, frames, rounds)
            table.add_row(norm, str(hidden), str(rows), str(frames), *(cells.get(name, "") for name in graphs))
    Console().print(table)


if __name__ == "__main__":
    main()
