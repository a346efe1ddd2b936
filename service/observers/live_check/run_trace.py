"""What one answer was made from and what came out, gathered run by run as the batcher makes them.

Shapes: T frames, K outputs a frame; a state is [1, …].
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.runner import RowResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.row import States
    from service.engine.runner import Row
    from service.loading.servable import Servable


@dataclass(frozen=True, kw_only=True, slots=True)
class RunShape:
    """One run: the frames of each of its rows, and which row was the answer's. Nothing else of them is kept."""

    lengths: tuple[int, ...]
    row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckTask:
    """One answer: the outputs [T, K] of each run in order, and the states behind the last.

    The version is held weakly: one that is unloaded goes, whatever still waits to be checked.
    """

    servable: weakref.ref[Servable]
    model: str
    version: int
    row: Row
    runs: tuple[RunShape, ...]
    outputs: tuple[NDArray[Any], ...]
    states: States

    @property
    def given(self) -> RowResult:
        """Outputs of every frame and the states behind the last, as the runs gave them."""
        outputs = self.outputs[0] if len(self.outputs) == 1 else np.concatenate(self.outputs)
        return RowResult(outputs=outputs, states=self.states)

    @property
    def byte_count(self) -> int:
        """Memory that it keeps."""
        arrays = [self.row.frames, *self.row.states.values(), *self.outputs, *self.states.values()]
        return sum(int(array.nbytes) for array in arrays)


class RunTrace:
    """Follows one job through its runs; hands over when it is answered, if it shared a run or was sliced."""

    def __init__(self, servable: Servable, row: Row, submit: Callable[[CheckTask], None]) -> None:
        self._servable, self._row, self._submit = servable, row, submit
        self._runs: list[RunShape] = []
        self._outputs: list[NDArray[Any]] = []

    def ran(self, rows: Sequence[Row], index: int, result: RowResult, *, last: bool) -> None:
        """Take note of one run. References only: nothing that runs are made of is written to again."""
        self._runs.append(RunShape(lengths=tuple(len(row.frames) for row in rows), row=index))
        self._outputs.append(result.outputs)
        alone_and_whole = len(self._runs) == 1 and len(rows) == 1
        if last and not alone_and_whole:
            self._submit(self._task(result.states))

    def _task(self, states: States) -> CheckTask:
        return CheckTask(
            servable=weakref.ref(self._servable),
            model=self._servable.name,
            version=self._servable.version,
            row=self._row,
            runs=tuple(self._runs),
            outputs=tuple(self._outputs),
            states=states,
        )
