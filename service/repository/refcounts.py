"""The refcounts: how many sequences run on each version, and callbacks for when the last has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.loading.servable import Servable


class Refcounts:
    """The number of open sequences of each version. Belongs to the event loop."""

    def __init__(self) -> None:
        self._counts: Counter[Servable] = Counter()
        self._callbacks: dict[Servable, Callable[[], None]] = {}

    def begin(self, servable: Servable) -> None:
        """Count one more sequence."""
        self._counts[servable] += 1

    def end(self, servable: Servable) -> None:
        """Count one sequence less."""
        self._counts[servable] -= 1
        if not self._counts[servable]:
            del self._counts[servable]
            if (callback := self._callbacks.pop(servable, None)) is not None:
                callback()

    def when_unused(self, servable: Servable, callback: Callable[[], None]) -> None:
        """Call `callback` once, as soon as no sequence runs on a version; at once if none does."""
        if servable in self._counts:
            self._callbacks[servable] = callback
        else:
            callback()
