"""Which versions of a model are served: the latest few, all, or those listed; in words, or from config.pbtxt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.manifest import ManifestError
from service.model_config import parse

if TYPE_CHECKING:
    from pathlib import Path

_ALL, _LATEST = "all", "latest:"


class VersionPolicyError(Exception):
    """A configuration can't be read; the text says why."""


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


def configured(config: Path) -> VersionPolicy | None:
    """Read what a config.pbtxt says; None where there is no file, or it says nothing of versions.

    Raises:
        VersionPolicyError: it can't be read.

    """
    try:
        if not config.exists():
            return None
        policy = parse(config).version_policy
    except (OSError, ManifestError) as error:
        raise VersionPolicyError(str(error)) from error
    match policy.WhichOneof("policy_choice"):
        case "all":
            return VersionPolicy()
        case "latest":  # no number stands for one, as elsewhere
            return VersionPolicy(latest=policy.latest.num_versions or 1)
        case "specific":
            return VersionPolicy(listed=frozenset(policy.specific.versions))
        case _:
            return None
