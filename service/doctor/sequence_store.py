"""The check of the sequence store: whether it can be used as the settings say, and answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

from service.app.settings import Settings, SettingsError
from service.app.storing import redis_store, require_seal
from service.doctor.finding import Finding, Verdict, without_secrets

_AREA = "sequence store"


def sequence_store(settings: Settings) -> Iterator[Finding]:
    """Return findings about the store, if there is one."""
    url = settings.sequence_store
    if url is None:
        return
    try:
        require_seal(settings)
        seconds = asyncio.run(_seconds(settings, url))
    except SettingsError as error:
        yield _wrong(without_secrets(str(error)), "docs/sequence-store.md has the settings")
        return
    if seconds is None:
        remedy = "start it, and check its address, password and certificate; until then the server isn't ready"
        yield _wrong(f"{without_secrets(url)} doesn't answer", remedy)
        return
    yield Finding(area=_AREA, what="store", found=f"{without_secrets(url)} answers after {seconds * 1e3:.1f} ms")
    if settings.keys_file is None:
        remedy = "give all servers the same keys_file (`soloist keys new`)"
        yield Finding(
            area=_AREA, what="states", found="they lie there in the clear", verdict=Verdict.NOTE, remedy=remedy
        )


async def _seconds(settings: Settings, url: str) -> float | None:
    """Return how long it took to answer, the second time: the first makes a connection. None: it didn't."""
    from service.store.store import StoreError

    store = redis_store(settings, url)
    try:
        with suppress(StoreError):
            await store.ping()
            began = time.perf_counter()
            await store.ping()
            return time.perf_counter() - began
        return None
    finally:
        await store.close()


def _wrong(found: str, remedy: str) -> Finding:
    return Finding(area=_AREA, what="store", found=found, verdict=Verdict.WRONG, remedy=remedy)
