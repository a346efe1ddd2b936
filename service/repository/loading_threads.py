"""The threads on which versions load: bounded in number and in time. Work that takes longer is abandoned."""

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
from service.repository.causes import in_one_line

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.layout import Location

T = TypeVar("T")

# Work that takes longer gives its place to others and goes on, since a few loads that hang would hold up all others.
_SLOW_SECONDS = 5.0
# A load that hangs may be tried again, but not for ever.
MOST_ABANDONED = 4

_log = structlog.get_logger("soloist.repository")
_UNKNOWN = "internal error while it was loaded"


class OverdueError(Exception):
    """The work was abandoned after its time."""


class TooManyAbandonedError(Exception):
    """Too much work of this key was abandoned and still goes on, so no more is begun."""


class Threads:
    """Threads for slow work. Belongs to the event loop. Every piece of work has a daemon thread of its own."""

    def __init__(
        self,
        name: str,
        *,
        at_once: int,
        seconds: float,
        slow_seconds: float = _SLOW_SECONDS,
    ) -> None:
        """Create it without threads.

        Args:
            name: the prefix of the threads' names.
            at_once: how many pieces of work may go on at once.
            seconds: how long one may take.
            slow_seconds: after how long it gives its place to others.

        """
        self.seconds = seconds
        self._name = name
        self._numbers = itertools.count()
        self._slow_seconds = slow_seconds
        self._places = asyncio.Semaphore(at_once)
        self._abandoned: Counter[str] = Counter()

    async def run(self, key: str, work: Callable[[], T]) -> T:
        """Run a piece of work once there is a place.

        When its time is over, or the caller is cancelled, its runs of graphs are ended, and its result is dropped.

        Raises:
            OverdueError: it took longer than `seconds`.
            TooManyAbandonedError: MOST_ABANDONED pieces of work of this `key` were abandoned and still go on.

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
    """One place of a semaphore, given back once."""

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
    except Exception as raised:  # whatever it is, the waiting caller has to get it
        error = raised
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(ended, value, error)


async def loaded(
    load: Callable[[Location], Servable], location: Location, threads: Threads
) -> tuple[Servable | None, str]:
    """Return the servable, or None and the cause."""
    name, version = location.name, location.version
    try:
        servable = await threads.run(name, partial(load, location))
    except Exception as error:
        cause = _in_words(error, threads)
        log = _log.exception if cause == _UNKNOWN else _log.warning
        log("model unavailable", model=name, version=version, cause=cause)
        return None, cause
    if servable.probe_fault:
        _log.warning("no probe: normalisers are not watched", model=name, version=version, cause=servable.probe_fault)
    if servable.warm_up_fault:
        _log.warning("warm-up failed", model=name, version=version, cause=servable.warm_up_fault)
    if servable.certificate_fault:
        _log.warning("certificate ignored", model=name, version=version, cause=servable.certificate_fault)
    _log.info("model ready", model=name, version=version, certificate=servable.certificate)
    return servable, ""


def _in_words(error: Exception, threads: Threads) -> str:
    match error:
        case ModelFileError() | ManifestError():
            return in_one_line(str(error))
        case OverdueError():
            return f"it took longer than load_timeout_seconds ({threads.seconds:g} s)"
        case TooManyAbandonedError():
            return f"{MOST_ABANDONED} loads of this model were abandoned and still go on, so it isn't tried again yet"
        case MemoryError():
            return "there isn't enough memory"
        case RecursionError():
            return "its manifest or configuration is nested too deep"
        case _:
            return _UNKNOWN
