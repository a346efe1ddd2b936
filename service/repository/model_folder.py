"""The folder of one model: its versions, its version policy, and its rollout."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from service.loading.manifest import ManifestError
from service.loading.model_config import CONFIG_FILE, MODEL_FILE, model_filename, parse
from service.repository import layout, rollout
from service.repository.causes import in_one_line
from service.repository.layout import Location
from service.repository.links import why_outside
from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from service.repository.layout import Files
    from service.repository.rollout import Rollout

_ALL, _LATEST = "all", "latest:"


@dataclass(frozen=True, kw_only=True)
class VersionPolicy:
    """The number of `latest` versions, or those `listed`; all if both are None."""

    latest: int | None = None
    listed: frozenset[int] | None = None

    def choose(self, versions: Iterable[int]) -> set[int]:
        """Return the chosen versions."""
        if self.listed is not None:
            return set(versions) & self.listed
        return set(sorted(versions, reverse=True)[: self.latest])


def in_words(text: str) -> VersionPolicy:
    """Parse "all", "latest:2" or "1,3"."""
    if text == _ALL:
        return VersionPolicy()
    if text.startswith(_LATEST):
        return VersionPolicy(latest=int(text.removeprefix(_LATEST)))
    return VersionPolicy(listed=frozenset(int(version) for version in text.split(",")))


def configured(config: oip.ModelConfig) -> VersionPolicy | None:
    """Return the version policy of a configuration; None if it has none."""
    policy = config.version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return VersionPolicy()
        case "latest":  # without a number it is 1, as in other servers
            return VersionPolicy(latest=policy.latest.num_versions or 1)
        case "specific":
            return VersionPolicy(listed=frozenset(policy.specific.versions))
        case _:
            return None


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """One model; `policy` and `rollout` are None if the folder has none.

    `fault` says why it is unknown what to serve; then nothing new is loaded. `stray` is about something in the folder
    that can't be served and concerns no version. `error` is an unexpected error, for the log.
    """

    name: str
    versions: Mapping[int, Location] = field(default_factory=dict)
    policy: VersionPolicy | None = None
    rollout: Rollout | None = None
    fault: str = ""
    stray: str = ""
    error: Exception | None = None


def read_model_folders(repository: Path, *, only_inside: bool = False) -> dict[str, ModelFolder]:
    """Read the whole repository, by name, without folders that hold no model. Blocks.

    With `only_inside`, what links lead to outside the repository is a fault.

    Raises:
        RepositoryError: it can't be read. Errors of one model are in its `fault`.

    """
    inside = repository if only_inside else None
    on_disk = {name: _guarded(name, folder, inside) for name, folder in layout.model_folders(repository).items()}
    return {
        name: model_folder
        for name, model_folder in on_disk.items()
        if model_folder.versions or model_folder.fault or model_folder.stray
    }


def read_model_folder(repository: Path, name: str, *, only_inside: bool = False) -> ModelFolder:
    """Read one model; it has no versions if its folder is missing. Blocks.

    Raises:
        RepositoryError: the repository can't be read. Errors of the model are in its `fault`.

    """
    folder = layout.model_folders(repository).get(name)
    inside = repository if only_inside else None
    return _guarded(name, folder, inside) if folder is not None else ModelFolder(name=name)


def _guarded(name: str, folder: Path, inside: Path | None) -> ModelFolder:
    """Read one model; its errors concern no other."""
    try:
        return _model_folder(name, folder, inside)
    except Exception as error:
        return ModelFolder(name=name, fault="internal error while its folder was read", error=error)


def _model_folder(name: str, folder: Path, inside: Path | None) -> ModelFolder:
    try:
        if fault := layout.why_no_model(name, folder):
            return ModelFolder(name=name, fault=fault)
        folders, stray = layout.version_folders(folder)
    except OSError as error:
        return ModelFolder(name=name, fault=error.strerror or "it can't be read")
    if not folders:
        return ModelFolder(name=name, stray=stray)
    shared = layout.shared_files(folder, leave_out=rollout.FILE)
    locations = partial(_locations, name, folders, shared, inside)
    named = (rollout.FILE, *(each[0] for each in shared))
    if inside is not None and (fault := why_outside(inside, folder, named)):
        return ModelFolder(name=name, versions=locations(MODEL_FILE), fault=in_one_line(fault), stray=stray)
    try:
        config = _configuration(folder / CONFIG_FILE, shared)
        return ModelFolder(
            name=name,
            versions=locations(model_filename(config)),
            policy=configured(config),
            rollout=rollout.read(folder),
            stray=stray,
        )
    except (ManifestError, rollout.RolloutError) as error:
        return ModelFolder(name=name, versions=locations(MODEL_FILE), fault=in_one_line(str(error)), stray=stray)


def _configuration(path: Path, files: Files) -> oip.ModelConfig:
    # A broken link exists, and can't be read.
    if not os.path.lexists(path):
        return oip.ModelConfig()
    identity = tuple(each for each in files if each[0] == CONFIG_FILE)
    found = _parsed(path, identity) if identity else parse(path)
    if isinstance(found, ManifestError):
        raise found
    return found


@lru_cache(maxsize=1024)
def _parsed(path: Path, _identity: Files) -> oip.ModelConfig | ManifestError:
    """Parse a file once, however often the repository is polled: a long one takes half a second."""
    try:
        return parse(path)
    except ManifestError as error:
        if isinstance(error.__cause__, OSError):
            raise  # it may be read the next time
        return error


def _locations(
    name: str, folders: Mapping[int, Path], shared: Files, inside: Path | None, file: str
) -> dict[int, Location]:
    found = {}
    for version, folder in sorted(folders.items()):
        stamp = layout.stamp(folder / file, shared)
        fault = why_outside(inside, folder, (each[0] for each in stamp.own)) if inside is not None and stamp else ""
        found[version] = Location(name=name, version=version, path=folder / file, stamp=stamp, fault=fault)
    return found
