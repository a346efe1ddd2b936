"""Owns runners that break the promise on purpose, and a live check in the test's hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from service.engine.runner import Row, RowResult
from service.observers.live_check.check import Inspector, LiveCheck, LiveCheckPolicy
from service.observers.live_check.repro_bundle import ReproBundleFolder
from tests.servables import GatedRunner
from tests.unit.service.conftest import Meter

OUTCOMES = ("equal", "different", "dropped", "failed")


class LeakyRunner(GatedRunner):
    """In company, adds to every output a hundredth of the largest number in the run."""

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        results = super().run_rows(rows)
        if len(rows) == 1:
            return results
        leak = np.float32(0.01 * max(float(np.abs(row.frames).max()) for row in rows))
        return [RowResult(outputs=result.outputs + leak, states=result.states) for result in results]


class ForgetfulRunner(GatedRunner):
    """Loses its state in every run, so that it answers another way when it is cut."""

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        return [RowResult(outputs=each.outputs, states=self.initial_states()) for each in super().run_rows(rows)]


class StatelessRunner(GatedRunner):
    """Has no states."""

    def initial_states(self) -> dict[str, Any]:
        return {}

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        self.runs.append([len(row.frames) for row in rows])
        return [RowResult(outputs=row.frames * 2, states={}) for row in rows]


class LonelyRunner(GatedRunner):
    """Answers in company at once; alone it waits until `alone_gate` opens, and fails when `alone_fails`."""

    def __init__(self) -> None:
        super().__init__()
        self.alone_gate = threading.Event()
        self.alone_fails = False
        self.alone_began = threading.Semaphore(0)

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        if len(rows) == 1:
            self.alone_began.release()
            assert self.alone_gate.wait(timeout=30)
            if self.alone_fails:
                raise RuntimeError("not alone")
        return super().run_rows(rows)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A live check that is running, and what it counted. `loaded` keeps versions as a repository does."""

    check: LiveCheck
    meter: Meter
    loaded: list[object] = field(default_factory=list)

    def counts(self, model: str = "gated") -> dict[str, int]:
        """Outcomes that occurred; checks under way are waited for."""
        self.check.settle()
        return self.counts_now(model)

    def counts_now(self, model: str = "gated") -> dict[str, int]:
        values = {each: self.meter.value(NAME, model=model, version="1", outcome=each) for each in OUTCOMES}
        return {outcome: int(value) for outcome, value in values.items() if value}


NAME = "soloist_invariance_checks_total"


@contextmanager
def watched(
    meter: Meter, *, draws: Sequence[float] = (), bundles: Path | None = None, piece_frames: int = 1000, **policy: Any
) -> Iterator[Watched]:
    """Run a live check of every answer; `draws` instead of zeros, and `policy` instead of its bounds."""
    folder = None if bundles is None else ReproBundleFolder(path=bundles)
    if folder is not None:
        folder.prepare()
    drawn = iter(draws)
    check = LiveCheck(
        LiveCheckPolicy(**{"ratio": 1.0, "core_ratio": 1.0, **policy}),
        Inspector(folder, piece_frames=piece_frames),
        meter.metrics.live_check,
        meter.failures,
        draw=(lambda: next(drawn)) if draws else (lambda: 0.0),
    )
    with check:
        yield Watched(check=check, meter=meter)
