"""Owns a servable whose runs a test decides: they wait at a gate, fail on demand, and are written down."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from service.engine.runner import Row, RowResult, Runner
from service.loading.servable import Servable
from tests.graphs import Sums

POISON = -1.0


class GatedRunner:
    """Sums up frames; a frame of POISON makes the run fail. Stands for service.engine.runner.Runner."""

    def __init__(self, *, open_gate: bool = True, state_bytes: int = 4) -> None:
        self.state_bytes = state_bytes
        self.gate = threading.Event()
        self.runs: list[list[int]] = []  # lengths of the rows of every run, as they began
        self._begun = threading.Semaphore(0)
        if open_gate:
            self.gate.set()

    def initial_states(self) -> dict[str, Any]:
        return {"sum": np.zeros((1, 1), np.float32)}

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        self.runs.append([len(row.frames) for row in rows])
        self._begun.release()
        assert self.gate.wait(timeout=30)
        if any((row.frames == POISON).any() for row in rows):
            raise RuntimeError("secret of the engine room")
        return [self._sum(row) for row in rows]

    def await_run(self) -> None:
        """Wait until one more run has begun than was waited for before."""
        assert self._begun.acquire(timeout=30)

    @staticmethod
    def _sum(row: Row) -> RowResult:
        outputs: Any = np.cumsum(row.frames, axis=0) + row.states["sum"]
        return RowResult(outputs=outputs, states={"sum": outputs[-1:]})


def servable(
    runner: GatedRunner, *, name: str = "gated", version: int = 1, batched: bool = False, sliced: bool = False
) -> Servable:
    """Make a version that answers calls: one feature, one output."""
    return Servable(
        name=name,
        version=version,
        manifest=Sums(name=name, features=1).manifest,
        runner=cast("Runner", runner),
        certificate="none",
        batched=batched,
        sliced=sliced,
    )
