"""Brings one model from what is loaded to what should be: new versions first, and only then are old ones let go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from service.repository.catalogue import Repository
    from service.repository.layout import Location
    from service.repository.shelf import Shelf
    from service.repository.version_policy import VersionPolicy
    from service.repository.wishes import Wishes

_CHANGED = "its file has changed since it was loaded: put it into a new version, or load it again"
_UNLOADED = "unloaded by an operator"
_NOT_CHOSEN = "the version policy leaves it out"
_GONE = "its folder is gone"


@dataclass(kw_only=True)
class Follower:
    """Used once, for one look at one model.

    `versions` are those on disk that may be loaded; `again` loads also what has failed before, or has changed.
    """

    repository: Repository
    executor: Executor
    shelf: Shelf
    versions: dict[int, Location]
    policy: VersionPolicy
    wishes: Wishes
    again: bool

    async def follow(self) -> None:
        """Load, let go, and list the rest with the reason."""
        name, tried = self.shelf.name, set[int]()
        if self.shelf.rollout is not None and self.shelf.rollout != self.repository.rollout(name):
            self.repository.spread(name, self.shelf.rollout)
        # What fails makes room for another, so there may be several rounds.
        while missing := self._missing(tried):
            tried |= missing
            await self.repository.load([self.versions[version] for version in sorted(missing)], self.executor)
        self._let_go()
        self._list()

    def _wanted(self, versions: Iterable[int]) -> set[int]:
        return self.wishes.wanted(versions, self.policy, self.repository.rollout(self.shelf.name))

    def _failed(self, tried: Iterable[int]) -> set[int]:
        """Versions that can't be loaded as they are: left alone until their file changes, or somebody asks."""
        return {
            entry.version
            for entry in self.repository.entries(self.shelf.name)
            if entry.state == pb.MODEL_STATE_UNAVAILABLE
            and (location := self.versions.get(entry.version)) is not None
            and (entry.version in tried or (entry.stamp == location.stamp and not self.again))
        }

    def _missing(self, tried: set[int]) -> set[int]:
        ready = [each for each in self.repository.entries(self.shelf.name) if each.servable]
        # One with a warning isn't as its file is.
        stamps = {each.version: None if each.cause else each.stamp for each in ready}
        wanted = self._wanted(self.versions.keys() - self._failed(tried)) - tried
        return {
            version
            for version in wanted
            if version not in stamps or (self.again and stamps[version] != self.versions[version].stamp)
        }

    def _let_go(self) -> None:
        """Unload what isn't wanted; when nothing that is wanted can be loaded, what serves goes on serving."""
        name = self.shelf.name
        ready = {entry.version for entry in self.repository.entries(name) if entry.servable}
        wanted = self._wanted(self.versions.keys() - self._failed(self.versions))
        nothing_better = not wanted and bool(self._wanted(self.versions))
        for version in sorted(ready - wanted):
            if not nothing_better or self.wishes.forbid(version):
                self.repository.unload(name, version, self._why_not(version))

    def _list(self) -> None:
        name = self.shelf.name
        known = {entry.version: entry for entry in self.repository.entries(name)}
        for version, entry in known.items():
            if version not in self.versions:
                self.repository.drop(name, version)
            elif entry.servable is not None and entry.stamp != self.versions[version].stamp:
                self.repository.warn(name, version, _CHANGED)
        for version in self.versions.keys() - known.keys():
            self.repository.note(self.versions[version], self._why_not(version))

    def _why_not(self, version: int) -> str:
        if self.wishes.forbid(version):
            return _UNLOADED
        return _NOT_CHOSEN if version in self.versions else _GONE
