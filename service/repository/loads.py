"""The loads in progress: how each ends, how it is cancelled, and when the replaced version may go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from service.repository.entry import new_entry
from service.repository.loading_threads import loaded
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.entry import Entries
    from service.repository.layout import Location
    from service.repository.loading_threads import Threads
    from service.repository.refcounts import Refcounts

_log = structlog.get_logger("soloist.repository")


@dataclass(kw_only=True)
class _Load:
    """One load in progress, and the cause if it was cancelled."""

    location: Location
    task: asyncio.Task[tuple[Servable | None, str]]
    given_up: str = ""


class Loads:
    """The loading and unloading of entries. Belongs to the event loop; files load on threads."""

    def __init__(
        self,
        entries: Entries,
        load: Callable[[Location], Servable],
        refcounts: Refcounts,
        on_gone: Callable[[Servable], None],
    ) -> None:
        """Create it without loads.

        Args:
            entries: the entries of all versions.
            load: loads one version.
            refcounts: counts the sequences of each version.
            on_gone: called with a version whose last sequence has ended.

        """
        self._entries = entries
        self._load = load
        self._refcounts = refcounts
        self._on_gone = on_gone
        self._under_way: dict[tuple[str, int], _Load] = {}
        self._stopped = ""

    async def load(self, locations: Iterable[Location], threads: Threads) -> None:
        """Load versions side by side, and return when each is ready or known to be unavailable.

        A version that is ready answers on until its successor is ready, and stays if that fails.
        """
        locations = list(locations)
        for location in locations:
            if self._entries.get(location.name, location.version).servable is None:
                self._entries.put(new_entry(location, pb.MODEL_STATE_LOADING))
        async with asyncio.TaskGroup() as group:
            for location in locations:
                group.create_task(self._load_one(location, threads))

    def is_loading(self, location: Location) -> bool:
        """Return whether a version is being loaded from these files."""
        load = self._under_way.get((location.name, location.version))
        return load is not None and load.location == location

    def give_up(self, which: Callable[[Location], bool], cause: str) -> None:
        """Cancel loads in progress; their versions count as unloaded."""
        for load in self._under_way.values():
            if not load.given_up and which(load.location):
                load.given_up = cause
                load.task.cancel()

    def stop(self, cause: str) -> None:
        """Cancel every load, and begin no other."""
        self._stopped = cause
        self.give_up(lambda _: True, cause)

    def unload(self, name: str, version: int, cause: str) -> None:
        """Let a version take no new sequences. Open sequences run to their end, then its memory is freed."""
        entry = self._entries.get(name, version)
        leaving = entry.servable
        if leaving is None:
            return
        _log.info("model unloading", model=name, version=version, cause=cause)
        self._entries.put(
            replace(entry, state=pb.MODEL_STATE_UNLOADING, servable=None, leaving=leaving, cause=cause, stamp=None)
        )
        self._refcounts.when_unused(leaving, lambda: self._left(leaving, cause))

    async def _load_one(self, location: Location, threads: Threads) -> None:
        if self._stopped:
            self._given_up(location, self._stopped)
            return
        task = asyncio.create_task(loaded(self._load, location, threads))
        load = self._under_way[location.name, location.version] = _Load(location=location, task=task)
        try:
            servable, cause = await task
        except asyncio.CancelledError:
            if not load.given_up:
                raise
            self._given_up(location, load.given_up)
            return
        finally:
            task.cancel()
            del self._under_way[location.name, location.version]
        if servable is None:
            self._failed(location, cause)
            return
        before = self._entries.get(location.name, location.version).servable
        self._entries.put(replace(new_entry(location, pb.MODEL_STATE_READY), servable=servable))
        if before is not None:
            self._refcounts.when_unused(before, lambda: self._on_gone(before))

    def _failed(self, location: Location, cause: str) -> None:
        entry = self._entries.get(location.name, location.version)
        if entry.servable is not None:
            cause = f"one of its files has changed, and it can't be loaded: {cause}"
            self._entries.put(replace(entry, failed_stamp=location.stamp, cause=cause))
        else:
            self._entries.put(new_entry(location, pb.MODEL_STATE_UNAVAILABLE, cause))

    def _given_up(self, location: Location, cause: str) -> None:
        _log.info("model not loaded", model=location.name, version=location.version, cause=cause)
        if self._entries.get(location.name, location.version).servable is None:
            self._entries.put(new_entry(location, pb.MODEL_STATE_UNLOADED, cause))

    def _left(self, servable: Servable, cause: str) -> None:
        entry = self._entries.get(servable.name, servable.version)
        if entry.leaving is servable:
            _log.info("model unloaded", model=servable.name, version=servable.version)
            self._entries.put(replace(entry, state=pb.MODEL_STATE_UNLOADED, leaving=None, cause=cause))
        self._on_gone(servable)
