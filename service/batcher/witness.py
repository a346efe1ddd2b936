"""Who may look on while a job runs. What is told is told on the event loop: a witness takes note, and no time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from service.engine.runner import Row, RowResult
    from service.engine.servable import Servable


class Witness(Protocol):
    """Follows one job through its runs."""

    def ran(self, rows: Sequence[Row], index: int, result: RowResult, *, last: bool) -> None:
        """Hear of a run: all its rows, which of them is the job's, what it gave; `last` when the job is answered."""


# Asked for every job, before it is queued: by whom it is followed, or None.
Summon = Callable[["Servable", "Row"], Witness | None]
