"""What takes the place of a part, so that its cost is known by difference."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from service.engine.row import RunSeconds
from service.serving.batcher import Answer, OnTheWay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.engine.row import Row, RowResult
    from service.loading.servable import Servable


class NoQueue:
    """Stands for the batcher: every row runs at once and alone, where it is asked for."""

    def __init__(self) -> None:
        self.on_the_way = OnTheWay(0.0)

    def refuse(self, _servable: Servable, **_facts: object) -> None:
        """Refuse nothing."""

    async def submit(self, servable: Servable, row: Row, *, every_frame: bool, **_facts: object) -> Answer:
        """Run one row."""
        result = servable.runner.run_rows([row])[0]
        return Answer(
            outputs=result.outputs if every_frame else result.outputs[-1:],
            states=result.states,
            queue_seconds=0.0,
            compute_seconds=result.run.graph,
            run=RunSeconds(),
            batch_size=1,
            padded_frames=len(row.frames),
        )


class RunClock:
    """The processor time of a servable's runs, on whatever thread they happen."""

    def __init__(self, servable: Servable) -> None:
        self.ns = self.runs = self.rows = self.on_loop = 0
        self._run_rows: Any = servable.runner.run_rows
        servable.runner.run_rows = self._timed  # type: ignore[method-assign]  # from outside, for this process

    def _timed(self, rows: Sequence[Row]) -> list[RowResult]:
        began = time.thread_time_ns()
        results: list[RowResult] = self._run_rows(rows)
        self.ns += time.thread_time_ns() - began
        self.runs += 1
        self.rows += len(rows)
        self.on_loop += threading.current_thread() is threading.main_thread()
        return results
