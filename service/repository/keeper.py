"""Sees to it that what should be loaded is, and nothing else: at the start, when asked, and when the disk changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from service.errors import Reason, ServiceError
from service.repository import rollout as rollouts
from service.repository.entry import UNLOADED
from service.repository.follower import Follower
from service.repository.layout import RepositoryError
from service.repository.rollout import Rollout, RolloutError
from service.repository.shelf import Shelf, read_shelf, read_shelves
from service.repository.threads import OverdueError, TooManyAbandonedError
from service.repository.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from service.repository.catalogue import Repository
    from service.repository.layout import Location
    from service.repository.threads import Threads
    from service.repository.version_policy import VersionPolicy

T = TypeVar("T")

_log = structlog.get_logger("soloist.repository")


class Keeper:
    """Belongs to the event loop. Models change independently; what happens to one of them happens in order."""

    def __init__(
        self, folder: Path, repository: Repository, policy: VersionPolicy, *, loads: Threads, looks: Threads
    ) -> None:
        """Args: `policy` is for models without one of their own; models are loaded on `loads`, folders read on `looks`.

        They are apart, so that models that take long to load, or hang, keep nobody from looking.
        """
        self.repository = repository
        self._folder = folder
        self._policy = policy
        self._loads = loads
        self._looks = looks
        self._wishes: defaultdict[str, Wishes] = defaultdict(Wishes)
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way: set[asyncio.Task[None]] = set()
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, str] = {}

    async def look(
        self, *, is_settled: Callable[[Location], bool] = lambda _: True, patience_seconds: float | None = None
    ) -> None:
        """Read the repository and follow it; a version that isn't settled is left for the next look.

        Returns when all models are done, or after `patience_seconds`: one that takes longer goes on by itself, and is
        left out of further looks until then.

        Raises:
            RepositoryError: it can't be read.

        """
        shelves = await self._read("", partial(read_shelves, self._folder))
        for name in self.repository.names() - shelves.keys():
            shelves[name] = Shelf(name=name)
        for name, shelf in shelves.items():
            settled = {version for version, location in shelf.versions.items() if is_settled(location)}
            if name not in self._followed:
                task = self._followed[name] = asyncio.create_task(self._look_after(shelf, settled))
                task.add_done_callback(lambda _, name=name: self._followed.pop(name))  # type: ignore[misc]
        if self._followed:
            await asyncio.wait(self._followed.values(), timeout=patience_seconds)

    async def load(self, name: str, version: int = 0) -> None:
        """Load a version beside those that run, or what the policy wants; a file that has changed is loaded again.

        Raises:
            ServiceError: there is no such model or version, or the one asked for, or the newest wanted, failed.

        """
        shelf = await self._shelf(name)
        fault = shelf.fault or ("" if shelf.versions else shelf.stray)
        if not shelf.versions and not fault:
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        if version and version not in shelf.versions and not fault:
            raise ServiceError(Reason.MODEL_VERSION_NOT_FOUND, model=name, version=version)
        wishes = self._wishes[name]
        wishes.load(version)
        joined = {version for version, location in shelf.versions.items() if self.repository.is_loading(location)}
        await self._finish(self._follow(shelf, again=True, joined=joined))
        if fault:
            raise ServiceError(Reason.MODEL_UNAVAILABLE, model=name, version=version, cause=fault)
        policy, rollout = shelf.policy or self._policy, self.repository.rollout(name)
        newest = version or max(wishes.wanted(shelf.versions, policy, rollout), default=0)
        for entry in self.repository.entries(name):
            if entry.version == newest and (entry.servable is None or entry.cause):
                raise entry.refusal()

    async def unload(self, name: str, version: int = 0) -> None:
        """Let a version, or the model, take no new sequences until it is loaded again.

        Raises:
            ServiceError: there is no such model or version.

        """
        self.require(name, version)
        wishes = self._wishes[name]
        wishes.unload(version)
        self.repository.give_up(lambda each: each.name == name and wishes.forbid(each.version), UNLOADED)
        await self._finish(self._follow(await self._shelf(name)))

    async def spread(self, name: str, needed: Iterable[int], how: Callable[[Rollout], Rollout]) -> Rollout:
        """Change how new sequences are spread, once the versions `needed` for it are ready.

        Raises:
            ServiceError: there is no such model or version, one can't be loaded, or the file can't be written.

        """
        self.require(name)
        ready = {entry.version for entry in self.repository.entries(name) if entry.servable}
        for version in set(needed) - ready:
            await self.load(name, version)
        try:
            new = await self._read(name, partial(rollouts.change, self._folder / name, how))
        except (RolloutError, RepositoryError) as error:
            raise ServiceError(Reason.LABELS_NOT_WRITTEN, model=name, cause=str(error)) from error
        self._wishes[name].loaded_versions -= new.versions  # from now on it is the rollout that keeps them
        await self._finish(self._follow(await self._shelf(name)))
        return self.repository.rollout(name)

    def require(self, name: str, version: int = 0) -> None:
        """Refuse what isn't listed.

        Raises:
            ServiceError: there is no such model or version.

        """
        if not self.repository.entries(name):
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        if version:
            self.repository.find(name, version)

    async def _shelf(self, name: str) -> Shelf:
        """Read what the disk says of one model; no versions where there is none."""
        try:
            return await self._read(name, partial(read_shelf, self._folder, name))
        except RepositoryError as error:
            _log.warning("repository unreadable", cause=str(error))
            cause = "the repository can't be read"
            raise ServiceError(Reason.MODEL_UNAVAILABLE, model=name, version=0, cause=cause) from error

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it to the end, whether or not the caller waits."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _look_after(self, shelf: Shelf, settled: AbstractSet[int]) -> None:
        """Follow one model; what goes wrong unforeseen is its own, and told once."""
        error = shelf.error
        try:
            await self._follow(shelf, settled=settled)
        except Exception as raised:
            error = raised
        told = repr(error) if error is not None else ""
        if error is not None and self._told.get(shelf.name) != told:
            _log.error("model not followed", model=shelf.name, exc_info=error)
        self._told.pop(shelf.name, None)
        if told and self.repository.entries(shelf.name):
            self._told[shelf.name] = told

    async def _follow(
        self,
        shelf: Shelf,
        *,
        again: bool = False,
        joined: AbstractSet[int] = frozenset(),
        settled: AbstractSet[int] | None = None,
    ) -> None:
        """Bring one model to what it should be; versions that are new and not `settled` are left out."""
        name, lock = shelf.name, self._locks.setdefault(shelf.name, asyncio.Lock())
        async with lock:
            known = {entry.version for entry in self.repository.entries(name)}
            versions = shelf.versions.keys() if settled is None else shelf.versions.keys() & (known | settled)
            await Follower(
                repository=self.repository,
                threads=self._loads,
                shelf=shelf,
                versions={version: shelf.versions[version] for version in versions},
                policy=shelf.policy or self._policy,
                wishes=self._wishes[name],
                again=again,
                joined=joined,
            ).follow()
            self._forget(shelf)

    def _forget(self, shelf: Shelf) -> None:
        """Forget what was asked for versions, and said of models, that are gone."""
        if shelf.fault:  # it can't be told
            return
        listed = {entry.version for entry in self.repository.entries(shelf.name)}
        self._wishes[shelf.name].forget_all_but(listed | shelf.versions.keys())
        if not listed and not shelf.versions:
            del self._wishes[shelf.name]
            self.repository.forget(shelf.name)

    async def _read(self, key: str, work: Callable[[], T]) -> T:
        """Work on the repository's disk, apart from the event loop.

        Raises:
            RepositoryError: it doesn't answer.

        """
        try:
            return await self._looks.run(key, work)
        except (OverdueError, TooManyAbandonedError) as error:
            raise RepositoryError(f"the disk has not answered for {self._looks.seconds:g} s") from error
