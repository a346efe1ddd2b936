"""On which versions sequences run, and who wants to hear when the last of one has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.engine.servable import Servable


class Uses:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._counts: Counter[Servable] = Counter()
        self._told: dict[Servable, Callable[[], None]] = {}

    def begin(self, servable: Servable) -> None:
        """Count one more sequence."""
        self._counts[servable] += 1

    def end(self, servable: Servable) -> None:
        """Count one less."""
        self._counts[servable] -= 1
        if not self._counts[servable]:
            del self._counts[servable]
            if (told := self._told.pop(servable, None)) is not None:
                told()

    def when_free(self, servable: Servable, told: Callable[[], None]) -> None:
        """Call `told` once, as soon as no sequence runs on a version: at once when none does."""
        if servable in self._counts:
            self._told[servable] = told
        else:
            told()
