"""Threads on which versions load: so many at once, each for so long; what takes longer is left behind."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from service.core.errors import Reason, ServiceError
from service.engine.cancel_scope import CancelScope
from service.engine.model_file import ModelFileError
from service.loading.manifest import ManifestError

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.layout import Location

T = TypeVar("T")

# Work that takes longer gives its place to others and goes on: a few that hang would hold up all others.
_SLOW_SECONDS = 5.0
# What hangs may be tried again, but not for ever.
MOST_ABANDONED = 4


class OverdueError(Exception):
    """The work was given up after its time."""


class TooManyAbandonedError(Exception):
    """So much work of this kind was given up, and goes on, that no more of it is begun."""


class Threads:
    """Belongs to the event loop. Every piece of work has a daemon thread of its own."""

    def __init__(
        self,
        name: str,
        *,
        at_once: int,
        seconds: float,
        slow_seconds: float = _SLOW_SECONDS,
    ) -> None:
        """Args: `name` begins the threads' names."""
        self.seconds = seconds
        self._name = name
        self._numbers = itertools.count()
        self._slow_seconds = slow_seconds
        self._places = asyncio.Semaphore(at_once)
        self._abandoned: Counter[str] = Counter()

    async def run(self, key: str, work: Callable[[], T]) -> T:
        """Do it once there is a place.

        When its time is over, or the caller gives up, its runs of graphs are ended, and what it returns is dropped.

        Raises:
            OverdueError: it took longer than `seconds`.
            TooManyAbandonedError: MOST_ABANDONED pieces of work of this `key` were given up and go on.

        """
        if self._abandoned[key] >= MOST_ABANDONED:
            raise TooManyAbandonedError
        async with _Place(self._places) as place:
            loop = asyncio.get_running_loop()
            result: asyncio.Future[Any] = loop.create_future()
            scope = CancelScope()
            thread = Thread(
                target=_do,
                args=(loop, scope, work, lambda value, error: self._ended(key, result, value, error)),
                name=f"{self._name}-{next(self._numbers)}",
                daemon=True,
            )
            thread.start()
            slow = loop.call_later(self._slow_seconds, place.free)
            try:
                await asyncio.wait([result], timeout=self.seconds)
            finally:
                slow.cancel()
                if not result.done():
                    result.cancel()
                    self._abandoned[key] += 1
                    scope.cancel(ServiceError(Reason.DEADLINE_EXCEEDED))
            if result.cancelled():
                raise OverdueError
            found: T = result.result()
            return found

    def _ended(self, key: str, result: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
        if result.cancelled():
            self._abandoned -= Counter([key])
        elif error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)


class _Place:
    """One of a semaphore's, given back once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_taken = False

    async def __aenter__(self) -> _Place:
        await self._places.acquire()
        self._is_taken = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.free()

    def free(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._places.release()


def _do(
    loop: asyncio.AbstractEventLoop,
    scope: CancelScope,
    work: Callable[[], Any],
    ended: Callable[[Any, Exception | None], None],
) -> None:
    value: Any = None
    error: Exception | None = None
    try:
        with scope:
            value = work()
    except Exception as raised:  # whatever it is, who waits has to hear of it
        error = raised
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(ended, value, error)


_log = structlog.get_logger("soloist.repository")
_UNKNOWN = "internal error while it was loaded"


async def loaded(
    load: Callable[[Location], Servable], location: Location, threads: Threads
) -> tuple[Servable | None, str]:
    """Return what answers calls, or None and why there is nothing."""
    name, version = location.name, location.version
    try:
        servable = await threads.run(name, partial(load, location))
    except Exception as error:
        cause = _in_words(error, threads)
        log = _log.exception if cause == _UNKNOWN else _log.warning
        log("model unavailable", model=name, version=version, cause=cause)
        return None, cause
    if servable.probe_fault:
        _log.warning("no probe, normalisers go unwatched", model=name, version=version, cause=servable.probe_fault)
    if servable.warm_up_fault:
        _log.warning("warm-up failed", model=name, version=version, cause=servable.warm_up_fault)
    if servable.certificate_fault:
        _log.warning("certificate ignored", model=name, version=version, cause=servable.certificate_fault)
    _log.info("model ready", model=name, version=version, certificate=servable.certificate)
    return servable, ""


def _in_words(error: Exception, threads: Threads) -> str:
    match error:
        case ModelFileError() | ManifestError():
            # A file's name needn't be UTF-8, and messages and the log have to be.
            return str(error).encode(errors="replace").decode()
        case OverdueError():
            return f"it took longer than load_timeout_seconds ({threads.seconds:g} s)"
        case TooManyAbandonedError():
            return f"{MOST_ABANDONED} loads of this model were given up and go on, so it isn't tried again for now"
        case MemoryError():
            return "there isn't enough memory for it"
        case RecursionError():
            return "what it says of itself is nested too deep"
        case _:
            return _UNKNOWN
