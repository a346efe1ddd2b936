"""Which versions there are, and what answers a call for one. Belongs to the event loop; files load on the executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from service.engine.session import ModelFileError
from service.errors import Reason, ServiceError
from service.manifest import ManifestError
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.repository.layout import Location

_log = structlog.get_logger("soloist.repository")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version: being loaded, ready (`servable`), or unavailable (`cause` says why)."""

    name: str
    version: int
    servable: Servable | None = None
    cause: str = ""

    def status(self) -> pb.ModelStatus:
        """Say it as a message."""
        if self.servable is not None:
            state = pb.MODEL_STATE_READY
        else:
            state = pb.MODEL_STATE_UNAVAILABLE if self.cause else pb.MODEL_STATE_LOADING
        control = self.servable is not None and self.servable.manifest.control
        return pb.ModelStatus(name=self.name, version=self.version, state=state, reason=self.cause, control=control)


class Repository:
    """Entries by name and version; `on_change` hears of every change."""

    def __init__(self, load: Callable[[Location], Servable], on_change: Callable[[Entry], None]) -> None:
        self._load = load
        self._on_change = on_change
        self._models: dict[str, dict[int, Entry]] = {}

    def entries(self) -> list[Entry]:
        """Every version, sorted by name and version."""
        return [versions[v] for _, versions in sorted(self._models.items()) for v in sorted(versions)]

    def find(self, name: str, version: int) -> Entry:
        """Return one version, ready or not; 0 means the one that answers calls, else the newest.

        Raises:
            ServiceError: MODEL_NOT_FOUND or MODEL_VERSION_NOT_FOUND.

        """
        versions = self._models.get(name)
        if not versions:
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        entry = versions.get(version or _newest(versions.values()).version)
        if entry is None:
            raise ServiceError(Reason.MODEL_VERSION_NOT_FOUND, model=name, version=version)
        return entry

    def resolve(self, name: str, version: int) -> Servable:
        """Return what answers calls; 0 means the newest that is ready.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        entry = self.find(name, version)
        if entry.servable is not None:
            return entry.servable
        if entry.cause:
            raise ServiceError(Reason.MODEL_UNAVAILABLE, model=name, version=entry.version, cause=entry.cause)
        raise ServiceError(Reason.MODEL_LOADING, model=name, version=entry.version)

    async def load(self, locations: Iterable[Location], executor: Executor) -> None:
        """Load versions side by side; returns when each is ready or known to be unavailable."""
        locations = list(locations)
        for location in locations:
            self._put(Entry(name=location.name, version=location.version))
        async with asyncio.TaskGroup() as group:
            for location in locations:
                group.create_task(self._load_one(location, executor))

    async def _load_one(self, location: Location, executor: Executor) -> None:
        name, version = location.name, location.version
        try:
            servable = await asyncio.get_running_loop().run_in_executor(executor, self._load, location)
        except (ModelFileError, ManifestError) as error:
            _log.warning("model unavailable", model=name, version=version, cause=str(error))
            self._put(Entry(name=name, version=version, cause=str(error)))
        except Exception:
            _log.exception("model unavailable", model=name, version=version)
            self._put(Entry(name=name, version=version, cause="internal error while it was loaded"))
        else:
            _log.info("model ready", model=name, version=version, certificate=servable.certificate)
            self._put(Entry(name=name, version=version, servable=servable))

    def _put(self, entry: Entry) -> None:
        self._models.setdefault(entry.name, {})[entry.version] = entry
        self._on_change(entry)


def _newest(versions: Iterable[Entry]) -> Entry:
    return max(versions, key=lambda entry: (entry.servable is not None, entry.version))
