"""Sees to it that what should be loaded is, and nothing else: at the start, when asked, and when the disk changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from service.errors import Reason, ServiceError
from service.repository import rollout as rollouts
from service.repository.follower import Follower
from service.repository.rollout import Rollout, RolloutError
from service.repository.shelf import Shelf, read_shelves
from service.repository.wishes import Wishes

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from service.repository.catalogue import Repository
    from service.repository.layout import Location
    from service.repository.version_policy import VersionPolicy

T = TypeVar("T")


class Keeper:
    """Belongs to the event loop. Models change independently; what happens to one of them happens in order."""

    def __init__(self, folder: Path, repository: Repository, executor: Executor, policy: VersionPolicy) -> None:
        """Args: `policy` is for models whose configuration has none."""
        self.repository = repository
        self._folder = folder
        self._executor = executor
        self._policy = policy
        self._wishes: defaultdict[str, Wishes] = defaultdict(Wishes)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[None]] = set()

    async def look(self, *, is_settled: Callable[[Location], bool] = lambda _: True) -> None:
        """Read the repository and follow it; a version that isn't settled is left for the next look.

        Raises:
            RepositoryError: it can't be read.

        """
        shelves = await self._blocking(partial(read_shelves, self._folder))
        for name in {entry.name for entry in self.repository.entries()} - shelves.keys():
            shelves[name] = Shelf(name=name)
        async with asyncio.TaskGroup() as group:
            for shelf in shelves.values():
                group.create_task(self._follow(shelf, is_settled=is_settled))

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
        await self._finish(self._follow(shelf, again=True))
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
        self._wishes[name].unload(version)
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
            new = await self._blocking(partial(rollouts.change, self._folder / name, how))
        except RolloutError as error:
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
        return (await self._blocking(partial(read_shelves, self._folder))).get(name, Shelf(name=name))

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it to the end, whether or not the caller waits."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _follow(
        self, shelf: Shelf, *, again: bool = False, is_settled: Callable[[Location], bool] = lambda _: True
    ) -> None:
        async with self._locks[shelf.name]:
            known = {entry.version for entry in self.repository.entries(shelf.name)}
            await Follower(
                repository=self.repository,
                executor=self._executor,
                shelf=shelf,
                versions={v: each for v, each in shelf.versions.items() if v in known or is_settled(each)},
                policy=shelf.policy or self._policy,
                wishes=self._wishes[shelf.name],
                again=again,
            ).follow()

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
