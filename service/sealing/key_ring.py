"""The key ring: the keys of the file as it was last read whole, and who seals now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from service.core.file_mark import file_mark
from service.sealing.keys_file import KeysFileError, read_keys
from service.sealing.metrics import Reload

if TYPE_CHECKING:
    from pathlib import Path

    from service.sealing.keys_file import Key
    from service.sealing.metrics import SealingMetrics

_log = structlog.get_logger("soloist.keys")
_POLL_SECONDS = 1.0


class KeyRing:
    """The keys of one file. Belongs to the event loop."""

    def __init__(
        self,
        path: Path,
        metrics: SealingMetrics,
        *,
        clock: Callable[[], float] = time.time,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        """Read the keys.

        Raises:
            KeysFileError: the file can't be used.

        """
        self._path = path
        self._metrics = metrics
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._keys: list[Key] = []
        self._by_id: dict[bytes, Key] = {}
        self._newest: Key | None = None
        self._decided_until = float("-inf")
        self._seen = file_mark(path)
        self._take(read_keys(path))

    def newest(self) -> Key:
        """Return the key that seals now: the one that began last, or the first to begin if none has."""
        now = self._clock()
        if self._newest is not None and now < self._decided_until:
            return self._newest
        begun = [key for key in self._keys if key.seals_from <= now]
        newest = self._newest = begun[-1] if begun else self._keys[0]
        self._decided_until = min((key.seals_from for key in self._keys if key.seals_from > now), default=float("inf"))
        return newest

    def by_id(self, key_id: bytes) -> Key | None:
        """Return a key of the file."""
        return self._by_id.get(key_id)

    async def follow(self) -> None:
        """Read the file again whenever it changes, for ever. One that can't be used changes nothing."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            self.poll()

    def poll(self) -> None:
        """Read the file again if it has changed."""
        mark = file_mark(self._path)
        if mark == self._seen:
            return
        self._seen = mark
        try:
            keys = read_keys(self._path)
        except KeysFileError as error:
            self._metrics.reloaded(Reload.FAILED)
            _log.error("keys not read again, those from before stay", cause=str(error))
            return
        self._take(keys)
        self._metrics.reloaded(Reload.READ)
        _log.info("keys read", keys=[key.id.hex() for key in keys], seals=self.newest().id.hex())

    def _take(self, keys: tuple[Key, ...]) -> None:
        # Keys that are still the same stay the same objects, by which the sealer knows them.
        known = {key: key for key in self._keys}
        self._keys = sorted((known.get(key, key) for key in keys), key=lambda key: key.seals_from)
        self._by_id = {key.id: key for key in self._keys}
        self._newest = None
