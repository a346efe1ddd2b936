"""Follows the repository while it changes: looks every few seconds, and trusts a new file once it holds still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from service.repository.layout import Location, RepositoryError

if TYPE_CHECKING:
    from service.repository.keeper import Keeper

_log = structlog.get_logger("soloist.repository")


class Polling:
    """One look after the other."""

    def __init__(self, keeper: Keeper, on_failure: Callable[[Exception], object]) -> None:
        """Args: `on_failure` hears of a look that failed in a way that nobody foresaw."""
        self._keeper = keeper
        self._on_failure = on_failure
        self._before: set[Location] = set()
        self._now: set[Location] = set()

    async def run(self, poll_seconds: float) -> None:
        """Look for ever, with a pause in between."""
        while True:
            await asyncio.sleep(poll_seconds)
            await self.look(patience_seconds=poll_seconds)

    async def look(self, *, patience_seconds: float | None = None) -> None:
        """Look once. A repository that can't be read is looked at again next time; slow models aren't awaited."""
        self._before, self._now = self._now, set()
        try:
            await self._keeper.look(is_settled=self._is_settled, patience_seconds=patience_seconds)
        except RepositoryError as error:
            _log.warning("repository unreadable", cause=str(error))
        except Exception as error:
            self._on_failure(error)

    def _is_settled(self, location: Location) -> bool:
        """Tell whether the file is there, and as it was at the last look: not every writer renames it into place."""
        self._now.add(location)
        return location.stamp is not None and location in self._before
