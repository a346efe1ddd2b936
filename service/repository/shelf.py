"""What the disk says of one model: its versions, which of them are to be served, and how sequences are spread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from service.model_config import FILE as CONFIG_FILE
from service.repository import rollout, version_policy
from service.repository.layout import Location, locations

if TYPE_CHECKING:
    from pathlib import Path

    from service.repository.rollout import Rollout
    from service.repository.version_policy import VersionPolicy

_log = structlog.get_logger("soloist.repository")


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One model; `policy` or `rollout` is None where nothing, or nothing readable, is said."""

    name: str
    versions: dict[int, Location] = field(default_factory=dict)
    policy: VersionPolicy | None = None
    rollout: Rollout | None = None


def read_shelves(repository: Path) -> dict[str, Shelf]:
    """Read the whole repository, by name. Blocks.

    Raises:
        RepositoryError: it can't be read.

    """
    models: dict[str, list[Location]] = {}
    for location in locations(repository):
        models.setdefault(location.name, []).append(location)
    return {name: _shelf(repository / name, found) for name, found in models.items()}


def _shelf(model: Path, found: Iterable[Location]) -> Shelf:
    return Shelf(
        name=model.name,
        versions={location.version: location for location in found},
        policy=_policy(model),
        rollout=_rollout(model),
    )


def _policy(model: Path) -> VersionPolicy | None:
    try:
        return version_policy.configured(model / CONFIG_FILE)
    except version_policy.VersionPolicyError as error:
        _log.warning("version policy ignored", model=model.name, cause=str(error))
        return None


def _rollout(model: Path) -> Rollout | None:
    try:
        return rollout.read(model)
    except rollout.RolloutError as error:
        _log.warning("labels ignored", model=model.name, cause=str(error))
        return None
