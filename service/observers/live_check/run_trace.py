"""The run trace of one answer: its input and results, recorded run by run.

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
    """One run: the frames of each of its rows, and which row was the answer's. No data is kept."""

    lengths: tuple[int, ...]
    row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckTask:
    """One answer: the outputs [T, K] of each run in order, and the states after the last.

    The version is held by a weak reference: it can be unloaded while answers wait to be checked.
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
        """Return the outputs of every frame and the states after the last, as the runs returned them."""
        outputs = self.outputs[0] if len(self.outputs) == 1 else np.concatenate(self.outputs)
        return RowResult(outputs=outputs, states=self.states)

    @property
    def byte_count(self) -> int:
        """Return the memory that it keeps, in bytes."""
        arrays = [self.row.frames, *self.row.states.values(), *self.outputs, *self.states.values()]
        return sum(int(array.nbytes) for array in arrays)


class RunTrace:
    """The observer of one job's runs: it hands over the answer if it shared a run, was sliced or joined."""

    def __init__(self, servable: Servable, row: Row, submit: Callable[[CheckTask], None]) -> None:
        self._servable, self._row, self._submit = servable, row, submit
        self._runs: list[RunShape] = []
        self._outputs: list[NDArray[Any]] = []

    def ran(self, rows: Sequence[Row], index: int, result: RowResult, *, last: bool) -> None:
        """Record one run. It keeps references: the arrays of runs are not changed later."""
        self._runs.append(RunShape(lengths=tuple(len(row.frames) for row in rows), row=index))
        self._outputs.append(result.outputs)
        alone_and_whole = len(self._runs) == 1 and len(rows) == 1 and not self._row.joined_frames
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
