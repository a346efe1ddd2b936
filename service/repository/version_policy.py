"""Which versions of a model are served: the latest few, all, or those listed; in words, or from config.pbtxt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soloist.oip import model_config_pb2 as oip

_ALL, _LATEST = "all", "latest:"


@dataclass(frozen=True, kw_only=True)
class VersionPolicy:
    """The `latest` so many versions, or those `listed`; all where both are None."""

    latest: int | None = None
    listed: frozenset[int] | None = None

    def choose(self, versions: Iterable[int]) -> set[int]:
        """Pick from the versions there are."""
        if self.listed is not None:
            return set(versions) & self.listed
        return set(sorted(versions, reverse=True)[: self.latest])


def in_words(text: str) -> VersionPolicy:
    """Read "all", "latest:2" or "1,3"."""
    if text == _ALL:
        return VersionPolicy()
    if text.startswith(_LATEST):
        return VersionPolicy(latest=int(text.removeprefix(_LATEST)))
    return VersionPolicy(listed=frozenset(int(version) for version in text.split(",")))


def configured(config: oip.ModelConfig) -> VersionPolicy | None:
    """Return what a configuration says; None where it says nothing of versions."""
    policy = config.version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return VersionPolicy()
        case "latest":  # no number stands for one, as elsewhere
            return VersionPolicy(latest=policy.latest.num_versions or 1)
        case "specific":
            return VersionPolicy(listed=frozenset(policy.specific.versions))
        case _:
            return None
