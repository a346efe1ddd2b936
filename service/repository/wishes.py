"""Which versions of one model should be loaded: by policy, by labels, and by what operators asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from service.repository.rollout import Rollout
    from service.repository.version_policy import VersionPolicy


@dataclass(kw_only=True, slots=True)
class Wishes:
    """What operators asked for since the server started: the model as a whole, and single versions."""

    unloaded: bool = False
    loaded_versions: set[int] = field(default_factory=set)
    unloaded_versions: set[int] = field(default_factory=set)

    def load(self, version: int) -> None:
        """Take note of a request to load one version, or with 0 what the policy says."""
        if version:
            self.loaded_versions.add(version)
            self.unloaded_versions.discard(version)
        else:
            self.unloaded = False
            self.unloaded_versions.clear()

    def unload(self, version: int) -> None:
        """Take note of a request to unload one version, or with 0 all."""
        if version:
            self.unloaded_versions.add(version)
            self.loaded_versions.discard(version)
        else:
            self.unloaded = True
            self.loaded_versions.clear()

    def wanted(self, versions: Iterable[int], policy: VersionPolicy, rollout: Rollout) -> set[int]:
        """Pick from the versions there are."""
        free = set(versions) - self.unloaded_versions
        if self.unloaded:
            return self.loaded_versions & free
        return policy.choose(free) | ((rollout.versions | self.loaded_versions) & free)

    def forbid(self, version: int) -> bool:
        """Tell whether an operator wanted this version gone."""
        return version in self.unloaded_versions or (self.unloaded and version not in self.loaded_versions)

    def forget_all_but(self, versions: AbstractSet[int]) -> None:
        """Forget requests for versions that are gone."""
        self.loaded_versions &= versions
        self.unloaded_versions &= versions
