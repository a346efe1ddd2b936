"""The comparisons in progress: their number is bounded, and they run on a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from service.core.errors import Reason, ServiceError
from service.engine.cancel_scope import CancelScope

if TYPE_CHECKING:
    from concurrent.futures import Executor

_Result = TypeVar("_Result")


class Comparisons:
    """The comparisons in progress, up to a bound. They take turns by run. Belongs to the event loop."""

    def __init__(self, executor: Executor, *, max_comparisons: int) -> None:
        self._executor = executor
        self._max_comparisons = max_comparisons
        self._under_way = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Admit one comparison.

        Raises:
            ServiceError: TOO_MANY_COMPARISONS.

        """
        if self._under_way >= self._max_comparisons:
            facts = {"comparisons": self._under_way, "max_comparisons": self._max_comparisons}
            raise ServiceError(Reason.TOO_MANY_COMPARISONS, **facts)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Run one piece of an admitted comparison. If it is cancelled, the run in progress ends.

        Raises:
            ServiceError: RUN_TOO_LONG.

        """
        scope = CancelScope()

        def scoped() -> _Result:
            with scope:
                return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, scoped)
        except asyncio.CancelledError:
            scope.cancel(ServiceError(Reason.DEADLINE_EXCEEDED))
            raise
