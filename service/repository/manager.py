"""The manager of the repository: it loads and unloads models at the start, on request, and when the disk changes."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

import structlog

from service.core.errors import Reason, ServiceError
from service.repository import rollout as rollouts
from service.repository.entry import UNLOADED
from service.repository.layout import RepositoryError
from service.repository.loading_threads import OverdueError, TooManyAbandonedError
from service.repository.model_folder import ModelFolder, read_model_folder, read_model_folders
from service.repository.reconciler import DesiredVersions, Reconciler
from service.repository.rollout import Rollout, RolloutError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from service.repository.catalogue import Repository
    from service.repository.layout import Location
    from service.repository.loading_threads import Threads
    from service.repository.model_folder import VersionPolicy

T = TypeVar("T")

_log = structlog.get_logger("soloist.repository")


class RepositoryManager:
    """Models change independently; the changes of one happen in order. Belongs to the event loop."""

    def __init__(
        self,
        folder: Path,
        repository: Repository,
        policy: VersionPolicy,
        *,
        loads: Threads,
        looks: Threads,
        only_inside: bool = False,
    ) -> None:
        """Create it; nothing is loaded yet.

        Args:
            folder: the repository.
            repository: the catalogue of its versions.
            policy: for models without a version policy of their own.
            loads: the threads on which models load.
            looks: the threads on which folders are read; separate, so that slow loads don't hold up the polling.
            only_inside: refuse what links lead to outside the repository.

        """
        self.repository = repository
        self._folder = folder
        self._policy = policy
        self._loads = loads
        self._looks = looks
        self._only_inside = only_inside
        self._desired: defaultdict[str, DesiredVersions] = defaultdict(DesiredVersions)
        # A lock lives as long as it is held or waited for.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way: set[asyncio.Task[None]] = set()
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._reported_faults: dict[str, str] = {}
        # How often this server has changed a rollout: what was read before a change is read again.
        self._changes: Counter[str] = Counter()

    async def look(
        self, *, is_settled: Callable[[Location], bool] = lambda _: True, patience_seconds: float | None = None
    ) -> None:
        """Read the repository and reconcile it; a version that isn't settled is left for the next poll.

        Returns when all models are done, or after `patience_seconds`. A model that takes longer goes on by itself, and
        is left out of further polls until then.

        Raises:
            RepositoryError: it can't be read.

        """
        changes = self._changes.copy()
        on_disk = await self._read("", partial(read_model_folders, self._folder, only_inside=self._only_inside))
        for name in self.repository.names() - on_disk.keys():
            on_disk[name] = ModelFolder(name=name)
        for name, model_folder in on_disk.items():
            settled = {version for version, location in model_folder.versions.items() if is_settled(location)}
            if name not in self._followed:
                task = self._followed[name] = asyncio.create_task(
                    self._reconcile_guarded(model_folder, settled, changes[name])
                )
                task.add_done_callback(lambda _, name=name: self._followed.pop(name))  # type: ignore[misc]
        if self._followed:
            await asyncio.wait(self._followed.values(), timeout=patience_seconds)

    async def load(self, name: str, version: int = 0) -> None:
        """Load a version next to those that run, or those of the policy; a file that has changed is loaded again.

        Raises:
            ServiceError: there is no such model or version, or the requested or newest desired one failed.

        """
        model_folder = await self._model_folder(name)
        fault = model_folder.fault or ("" if model_folder.versions else model_folder.stray)
        if not model_folder.versions and not fault:
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        if version and version not in model_folder.versions and not fault:
            raise ServiceError(Reason.MODEL_VERSION_NOT_FOUND, model=name, version=version)
        desired = self._desired[name]
        desired.load(version)
        joined = {
            version for version, location in model_folder.versions.items() if self.repository.loads.is_loading(location)
        }
        await self._finish(self._follow(model_folder, again=True, joined=joined))
        if fault:
            raise ServiceError(Reason.MODEL_UNAVAILABLE, model=name, version=version, cause=fault)
        policy, rollout = model_folder.policy or self._policy, self.repository.rollout(name)
        newest = version or max(desired.wanted(model_folder.versions, policy, rollout), default=0)
        for entry in self.repository.entries(name):
            if entry.version == newest and (entry.servable is None or entry.cause):
                raise entry.refusal()

    async def unload(self, name: str, version: int = 0) -> None:
        """Let a version, or the model, take no new sequences until it is loaded again.

        Raises:
            ServiceError: there is no such model or version.

        """
        self.require(name, version)
        desired = self._desired[name]
        desired.unload(version)
        self.repository.loads.give_up(lambda each: each.name == name and desired.forbid(each.version), UNLOADED)
        await self._finish(self._follow(await self._model_folder(name)))

    async def spread(self, name: str, needed: Iterable[int], how: Callable[[Rollout], Rollout]) -> Rollout:
        """Change the rollout, once the versions that it needs are ready.

        Raises:
            ServiceError: there is no such model or version, one can't be loaded, or the file can't be written.

        """
        self.require(name)
        ready = {entry.version for entry in self.repository.entries(name) if entry.servable}
        for version in set(needed) - ready:
            await self.load(name, version)
        try:
            await self._read(name, partial(rollouts.change, self._folder / name, how))
        except (RolloutError, RepositoryError) as error:
            raise ServiceError(Reason.LABELS_NOT_WRITTEN, model=name, cause=str(error)) from error
        await self.follow_rollout(name)
        return self.repository.rollout(name)

    async def follow_rollout(self, name: str) -> None:
        """Follow a rollout that this process, or another of the server, has changed. Raises ServiceError."""
        self._changes[name] += 1
        model_folder = await self._model_folder(name)
        if model_folder.rollout is not None:
            self._desired[name].loaded_versions -= model_folder.rollout.versions  # from now on the rollout keeps them
        await self._finish(self._follow(model_folder))

    def require(self, name: str, version: int = 0) -> None:
        """Refuse a model or version that isn't listed.

        Raises:
            ServiceError: there is no such model or version.

        """
        if not self.repository.entries(name):
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        if version:
            self.repository.find(name, version)

    async def _model_folder(self, name: str) -> ModelFolder:
        """Read the folder of one model; it has no versions if it is missing."""
        try:
            return await self._read(name, partial(read_model_folder, self._folder, name, only_inside=self._only_inside))
        except RepositoryError as error:
            _log.warning("repository unreadable", cause=str(error))
            cause = "the repository can't be read"
            raise ServiceError(Reason.MODEL_UNAVAILABLE, model=name, version=0, cause=cause) from error

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work to its end, whether or not the caller waits."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _reconcile_guarded(self, model_folder: ModelFolder, settled: AbstractSet[int], changes: int) -> None:
        """Reconcile one model. An unexpected error concerns only this model, and is logged once."""
        error = model_folder.error
        try:
            if self._changes[model_folder.name] != changes:
                model_folder = await self._model_folder(model_folder.name)
            await self._follow(model_folder, settled=settled)
        except Exception as raised:
            error = raised
        fault = repr(error) if error is not None else ""
        if error is not None and self._reported_faults.get(model_folder.name) != fault:
            _log.error("model not reconciled", model=model_folder.name, exc_info=error)
        self._reported_faults.pop(model_folder.name, None)
        if fault and self.repository.entries(model_folder.name):
            self._reported_faults[model_folder.name] = fault

    async def _follow(
        self,
        model_folder: ModelFolder,
        *,
        again: bool = False,
        joined: AbstractSet[int] = frozenset(),
        settled: AbstractSet[int] | None = None,
    ) -> None:
        """Reconcile one model; versions that are new and not `settled` are left out."""
        name, lock = model_folder.name, self._locks.setdefault(model_folder.name, asyncio.Lock())
        async with lock:
            known = {entry.version for entry in self.repository.entries(name)}
            versions = (
                model_folder.versions.keys() if settled is None else model_folder.versions.keys() & (known | settled)
            )
            await Reconciler(
                repository=self.repository,
                threads=self._loads,
                model_folder=model_folder,
                versions={version: model_folder.versions[version] for version in versions},
                policy=model_folder.policy or self._policy,
                desired=self._desired[name],
                again=again,
                joined=joined,
            ).follow()
            self._forget(model_folder)

    def _forget(self, model_folder: ModelFolder) -> None:
        """Forget the requests for versions, and the warnings of models, that are gone."""
        if model_folder.fault:  # unknown
            return
        listed = {entry.version for entry in self.repository.entries(model_folder.name)}
        self._desired[model_folder.name].forget_all_but(listed | model_folder.versions.keys())
        if not listed and not model_folder.versions:
            del self._desired[model_folder.name]
            del self._changes[model_folder.name]
            self.repository.forget(model_folder.name)

    async def _read(self, key: str, work: Callable[[], T]) -> T:
        """Run work on the repository's disk, off the event loop.

        Raises:
            RepositoryError: the disk doesn't answer.

        """
        try:
            return await self._looks.run(key, work)
        except (OverdueError, TooManyAbandonedError) as error:
            raise RepositoryError(f"the disk has not answered for {self._looks.seconds:g} s") from error
