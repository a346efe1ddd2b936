"""The reconciler: which versions of a model should be loaded, and the steps to get there, new versions first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.repository.entry import UNLOADED
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from service.repository.catalogue import Repository
    from service.repository.entry import Entry
    from service.repository.layout import Location
    from service.repository.loading_threads import Threads
    from service.repository.model_folder import ModelFolder, VersionPolicy
    from service.repository.rollout import Rollout

_CHANGED = "one of its files has changed since it was loaded: put them into a new version, or load it again"
_NOT_CHOSEN = "the version policy leaves it out"
_GONE = "its folder is gone"


@dataclass(kw_only=True, slots=True)
class DesiredVersions:
    """The requests of operators since the server started: for the whole model, and for single versions."""

    unloaded: bool = False
    loaded_versions: set[int] = field(default_factory=set)
    unloaded_versions: set[int] = field(default_factory=set)

    def load(self, version: int) -> None:
        """Record a request to load one version, or with 0 those of the policy."""
        if version:
            self.loaded_versions.add(version)
            self.unloaded_versions.discard(version)
        else:
            self.unloaded = False
            self.unloaded_versions.clear()

    def unload(self, version: int) -> None:
        """Record a request to unload one version, or with 0 all."""
        if version:
            self.unloaded_versions.add(version)
            self.loaded_versions.discard(version)
        else:
            self.unloaded = True
            self.loaded_versions.clear()

    def wanted(self, versions: Iterable[int], policy: VersionPolicy, rollout: Rollout) -> set[int]:
        """Return the desired versions among the existing ones."""
        free = set(versions) - self.unloaded_versions
        if self.unloaded:
            return self.loaded_versions & free
        return policy.choose(free) | ((rollout.versions | self.loaded_versions) & free)

    def forbid(self, version: int) -> bool:
        """Return whether an operator unloaded this version."""
        return version in self.unloaded_versions or (self.unloaded and version not in self.loaded_versions)

    def forget_all_but(self, versions: AbstractSet[int]) -> None:
        """Forget requests for versions that are gone."""
        self.loaded_versions &= versions
        self.unloaded_versions &= versions


@dataclass(kw_only=True)
class Reconciler:
    """The steps for one model. Used once, for one poll.

    `versions` are those on disk that may be loaded. `again` also loads those that failed before or have changed, except
    those that were `joined`, whose load was in progress at the time of the request.
    """

    repository: Repository
    threads: Threads
    model_folder: ModelFolder
    versions: dict[int, Location]
    policy: VersionPolicy
    desired: DesiredVersions
    again: bool
    joined: AbstractSet[int] = frozenset()

    async def follow(self) -> None:
        """Load, unload, and list the rest with the cause."""
        if self.model_folder.fault:
            self._hold()
            return
        name, tried = self.model_folder.name, set[int]()
        if self.model_folder.rollout is not None and self.model_folder.rollout != self.repository.rollout(name):
            self.repository.spread(name, self.model_folder.rollout)
        for entry in self.repository.entries(name):
            if entry.held_back and entry.version in self.versions:
                self.repository.note(self.versions[entry.version], self._why_not(entry.version))
        # A version that fails makes room for another, so there may be several rounds.
        while missing := self._missing(tried):
            tried |= missing
            await self.repository.loads.load([self.versions[version] for version in sorted(missing)], self.threads)
        self._let_go()
        self._list()

    def _hold(self) -> None:
        """Change nothing, since the desired versions are unknown: ready versions go on, nothing new is loaded."""
        name, fault = self.model_folder.name, self.model_folder.fault
        for entry in self.repository.entries(name):
            if self.desired.forbid(entry.version):
                self.repository.loads.unload(name, entry.version, UNLOADED)
            elif entry.servable is not None:
                self.repository.warn(name, entry.version, fault)
            elif entry.version and entry.version not in self.model_folder.versions:
                self.repository.drop(name, entry.version)
        for version in self.model_folder.versions.keys() - self._unloaded():
            self.repository.hold_back(name, version, fault)
        listed = {entry.version for entry in self.repository.entries(name)} - {0}
        self._list_stray(self.model_folder.stray if listed else fault)

    def _unloaded(self) -> set[int]:
        return {version for version in self.model_folder.versions if self.desired.forbid(version)}

    def _wanted(self, versions: Iterable[int]) -> set[int]:
        return self.desired.wanted(versions, self.policy, self.repository.rollout(self.model_folder.name))

    def _failed(self, tried: Iterable[int]) -> set[int]:
        """Return versions that can't be loaded: they are left alone until their files change, or an operator asks."""
        return {
            entry.version
            for entry in self.repository.entries(self.model_folder.name)
            if entry.state == pb.MODEL_STATE_UNAVAILABLE
            and (location := self.versions.get(entry.version)) is not None
            and (entry.version in tried or (entry.is_of(location.stamp) and not self._again(entry.version)))
        }

    def _again(self, version: int) -> bool:
        return self.again and version not in self.joined

    def _missing(self, tried: set[int]) -> set[int]:
        ready = {each.version: each for each in self.repository.entries(self.model_folder.name) if each.servable}
        wanted = self._wanted(self.versions.keys() - self._failed(tried)) - tried
        return {
            version
            for version in wanted
            if version not in ready or (self._again(version) and not ready[version].is_of(self.versions[version].stamp))
        }

    def _let_go(self) -> None:
        """Unload what isn't desired; if no desired version can be loaded, ready ones go on serving."""
        name = self.model_folder.name
        ready = {entry.version for entry in self.repository.entries(name) if entry.servable}
        wanted = self._wanted(self.versions.keys() - self._failed(self.versions))
        nothing_better = not wanted and bool(self._wanted(self.versions))
        for version in sorted(ready - wanted):
            if not nothing_better or self.desired.forbid(version):
                self.repository.loads.unload(name, version, self._why_not(version))

    def _list(self) -> None:
        name = self.model_folder.name
        known = {entry.version: entry for entry in self.repository.entries(name) if entry.version}
        for version, entry in known.items():
            if version not in self.versions:
                self.repository.drop(name, version)
            elif entry.servable is not None:
                self.repository.warn(name, version, self._warning(entry))
        for version in self.versions.keys() - known.keys():
            self.repository.note(self.versions[version], self._why_not(version))
        self._list_stray(self.model_folder.stray)

    def _list_stray(self, cause: str) -> None:
        """List what concerns no version as version 0, which doesn't exist."""
        if cause:
            self.repository.hold_back(self.model_folder.name, 0, cause)
        else:
            self.repository.drop(self.model_folder.name, 0)

    def _warning(self, entry: Entry) -> str:
        stamp = self.versions[entry.version].stamp
        if entry.is_of(stamp):
            return ""
        return entry.cause if entry.failed_stamp is not None and entry.failed_stamp == stamp else _CHANGED

    def _why_not(self, version: int) -> str:
        if self.desired.forbid(version):
            return UNLOADED
        return _NOT_CHOSEN if version in self.versions else _GONE
