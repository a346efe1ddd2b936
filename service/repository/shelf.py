"""What the disk says of one model: its versions, which of them are to be served, and how sequences are spread."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from service.manifest import ManifestError
from service.model_config import FILE as CONFIG_FILE
from service.model_config import MODEL_FILE, model_filename, parse
from service.repository import layout, rollout, version_policy
from service.repository.layout import Location
from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from service.repository.layout import Files
    from service.repository.rollout import Rollout
    from service.repository.version_policy import VersionPolicy


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One model; `policy` and `rollout` are None where nothing is said.

    `fault` says why it can't be told what to serve: then nothing new is. `stray` is about something in the folder that
    can't be served, and that touches no version. `error` is what went wrong unforeseen, for the log.
    """

    name: str
    versions: Mapping[int, Location] = field(default_factory=dict)
    policy: VersionPolicy | None = None
    rollout: Rollout | None = None
    fault: str = ""
    stray: str = ""
    error: Exception | None = None


def read_shelves(repository: Path) -> dict[str, Shelf]:
    """Read the whole repository, by name, without folders that hold nothing of a model. Blocks.

    Raises:
        RepositoryError: it can't be read. What is wrong with one model is that model's fault.

    """
    shelves = {name: _guarded(name, folder) for name, folder in layout.model_folders(repository).items()}
    return {name: shelf for name, shelf in shelves.items() if shelf.versions or shelf.fault or shelf.stray}


def read_shelf(repository: Path, name: str) -> Shelf:
    """Read one model; no versions where there is none. Blocks.

    Raises:
        RepositoryError: the repository can't be read. What is wrong with the model is its fault.

    """
    folder = layout.model_folders(repository).get(name)
    return _guarded(name, folder) if folder is not None else Shelf(name=name)


def _guarded(name: str, folder: Path) -> Shelf:
    """Read one model, whose oddities touch no other."""
    try:
        return _shelf(name, folder)
    except Exception as error:
        return Shelf(name=name, fault="internal error while it was looked at", error=error)


def _shelf(name: str, folder: Path) -> Shelf:
    try:
        if fault := layout.why_no_model(name, folder):
            return Shelf(name=name, fault=fault)
        folders, stray = layout.version_folders(folder)
    except OSError as error:
        return Shelf(name=name, fault=error.strerror or "it can't be read")
    if not folders:
        return Shelf(name=name, stray=stray)
    shared = layout.shared_files(folder, leave_out=rollout.FILE)
    locations = partial(_locations, name, folders, shared)
    try:
        config = _configuration(folder / CONFIG_FILE)
        return Shelf(
            name=name,
            versions=locations(model_filename(config)),
            policy=version_policy.configured(config),
            rollout=rollout.read(folder),
            stray=stray,
        )
    except (ManifestError, rollout.RolloutError) as error:
        return Shelf(name=name, versions=locations(MODEL_FILE), fault=str(error), stray=stray)


def _configuration(path: Path) -> oip.ModelConfig:
    # A link that leads nowhere is there, and can't be read.
    return parse(path) if os.path.lexists(path) else oip.ModelConfig()


def _locations(name: str, folders: Mapping[int, Path], shared: Files, file: str) -> dict[int, Location]:
    paths = {version: folder / file for version, folder in sorted(folders.items())}
    return {
        version: Location(name=name, version=version, path=path, stamp=layout.stamp(path, shared))
        for version, path in paths.items()
    }
