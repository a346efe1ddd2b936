"""What happens on a worker: rows run together, and where that fails, one by one, so that only those at fault fail."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from service.engine.cancel_scope import CancelScope
from service.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service.engine.runner import Row, RowResult
    from service.engine.servable import Servable

_log = structlog.get_logger("soloist.batcher")


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """One run of `rows`, how long it took in seconds, and a result for each; without results there is an `error`."""

    rows: Sequence[Row]
    seconds: float
    results: Sequence[RowResult] = ()
    error: Exception | None = None


def execute(
    servable: Servable,
    rows: Sequence[Row],
    scope: CancelScope | None = None,
    is_awaited: Callable[[int], bool] = lambda _: True,
) -> list[Done]:
    """Run rows; the runs that this took hold them in the order given. Blocks, and raises nothing of the model's.

    Args: cancelling `scope` ends it; a row that has to run again, by its index, isn't run when nobody awaits it.

    """
    with scope or CancelScope():
        together = _run(servable, rows)
        if together.error is None or len(rows) == 1:
            return [together]
        alone = [_run(servable, [row]) if is_awaited(index) else _given_up(row) for index, row in enumerate(rows)]
    _log.warning(
        "a shared run failed, its rows ran alone",
        model=servable.name,
        version=servable.version,
        rows=len(rows),
        failed=sum(done.error is not None for done in alone),
        cause=str(together.error),
    )
    return alone


def _run(servable: Servable, rows: Sequence[Row]) -> Done:
    started = time.perf_counter()
    try:
        results = servable.runner.run(rows)
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        return Done(rows=rows, seconds=time.perf_counter() - started, error=error)
    return Done(rows=rows, seconds=time.perf_counter() - started, results=results)


def _given_up(row: Row) -> Done:
    return Done(rows=[row], seconds=0.0, error=ServiceError(Reason.DEADLINE_EXCEEDED))
