"""Which versions there are, and what answers a call for one. Belongs to the event loop; files load on threads."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from service.core.errors import Reason, ServiceError
from service.repository.entry import Entry
from service.repository.loading_threads import loaded
from service.repository.refcounts import Refcounts
from service.repository.rollout import NO_ROLLOUT, STABLE, Rollout, canary_version, default_version, place_of
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.layout import Location
    from service.repository.loading_threads import Threads

_log = structlog.get_logger("soloist.repository")


@dataclass(kw_only=True)
class _Load:
    """One that is under way, and why nobody waits for it any more."""

    location: Location
    task: asyncio.Task[tuple[Servable | None, str]]
    given_up: str = ""


class Repository:
    """Entries by name and version; `on_change` hears of every change."""

    def __init__(
        self,
        load: Callable[[Location], Servable],
        on_change: Callable[[Entry], None],
        *,
        refcounts: Refcounts | None = None,
        on_gone: Callable[[Servable], None] = lambda _: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Args: `on_gone` hears of a version whose last sequence has ended; `draw` gives a number in [0, 1)."""
        self._load = load
        self._on_change = on_change
        self._refcounts = refcounts or Refcounts()
        self._on_gone = on_gone
        self._draw = draw
        self._models: dict[str, dict[int, Entry]] = {}
        self._rollouts: dict[str, Rollout] = {}
        self._loads: dict[tuple[str, int], _Load] = {}
        self._stopped = ""

    def entries(self, name: str = "") -> list[Entry]:
        """Every version, of one model or of all, sorted by name and version."""
        names = [name] if name else sorted(self._models)
        return [entry for each in names for _, entry in sorted(self._models.get(each, {}).items())]

    def names(self) -> set[str]:
        """Every model of which anything is known."""
        return self._models.keys() | self._rollouts.keys()

    def is_listed(self, name: str, version: int) -> bool:
        """Tell whether a version is there, ready or not."""
        return version in self._models.get(name, ())

    def forget(self, name: str) -> None:
        """Forget how sequences of a model that isn't listed were spread."""
        if name not in self._models:
            self._rollouts.pop(name, None)

    def rollout(self, name: str) -> Rollout:
        """How new sequences of a model are spread."""
        return self._rollouts.get(name, NO_ROLLOUT)

    def spread(self, name: str, rollout: Rollout) -> None:
        """Spread new sequences of a model so from now on."""
        self._rollouts[name] = rollout
        for entry in self.entries(name):
            self._on_change(entry)

    def answers(self, name: str) -> bool:
        """Tell whether a call that names no version is answered."""
        versions = self._models.get(name)
        entry = default_version(versions, self.rollout(name)) if versions else None
        return entry is not None and entry.servable is not None

    def find(self, name: str, version: int, label: str = "") -> Entry:
        """Return one version, ready or not; neither version nor label means the one that answers.

        Raises:
            ServiceError: MODEL_NOT_FOUND or MODEL_VERSION_NOT_FOUND; PARAMETER_INVALID where both are given.

        """
        versions = self._models.get(name)
        if not versions:
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        if version and label:
            expected = "left out where version is set"
            raise ServiceError(
                Reason.PARAMETER_INVALID, parameter="version_label", value=repr(label), expected=expected
            )
        rollout = self.rollout(name)
        if version or label:
            entry = versions.get(version or rollout.labels.get(label, 0))
        else:
            entry = default_version(versions, rollout)
        if entry is None:
            raise ServiceError(Reason.MODEL_VERSION_NOT_FOUND, model=name, version=label or version or STABLE)
        return entry

    def resolve(self, name: str, version: int, label: str = "") -> Servable:
        """Return a version that can be called; without version and label the one that most callers get.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        entry = self.find(name, version, label)
        if entry.servable is None:
            raise entry.refusal()
        return entry.servable

    def route(self, name: str, version: int, label: str = "", *, key: str = "") -> Servable:
        """Return what a new sequence runs on: as `resolve`, but without version and label maybe the canary.

        Sequences of one `key` go to the canary all or none; without a key each is drawn by itself.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        if not (version or label) and (rollout := self.rollout(name)).canary_percent:
            place = place_of(name, key) if key else self._draw()
            canary = canary_version(self._models.get(name, {}), rollout, place)
            if canary is not None:
                return canary
        return self.resolve(name, version, label)

    def shadow_of(self, servable: Servable) -> Servable | None:
        """Return the version that gets copies of what this one answers, if there is one."""
        entry = self._models.get(servable.name, {}).get(self.rollout(servable.name).shadow)
        return entry.servable if entry is not None and entry.servable is not servable else None

    async def load(self, locations: Iterable[Location], threads: Threads) -> None:
        """Load versions side by side; returns when each is ready or known to be unavailable.

        One that is ready already answers on until its successor is ready, and stays when that fails.
        """
        locations = list(locations)
        for location in locations:
            if self._entry(location.name, location.version).servable is None:
                self._put(self._fresh(location, pb.MODEL_STATE_LOADING))
        async with asyncio.TaskGroup() as group:
            for location in locations:
                group.create_task(self._load_one(location, threads))

    def is_loading(self, location: Location) -> bool:
        """Tell whether a version is being loaded from these files."""
        load = self._loads.get((location.name, location.version))
        return load is not None and load.location == location

    def give_up(self, which: Callable[[Location], bool], cause: str) -> None:
        """Wait no longer for loads that are under way: those versions count as unloaded."""
        for load in self._loads.values():
            if not load.given_up and which(load.location):
                load.given_up = cause
                load.task.cancel()

    def stop_loading(self, cause: str) -> None:
        """Give up every load, and begin no other."""
        self._stopped = cause
        self.give_up(lambda _: True, cause)

    def unload(self, name: str, version: int, cause: str) -> None:
        """Let a version take no new sequences; those that run on it end on it, then its memory is freed."""
        entry = self._entry(name, version)
        leaving = entry.servable
        if leaving is None:
            return
        _log.info("model unloading", model=name, version=version, cause=cause)
        self._put(
            replace(entry, state=pb.MODEL_STATE_UNLOADING, servable=None, leaving=leaving, cause=cause, stamp=None)
        )
        self._refcounts.when_unused(leaving, lambda: self._left(leaving, cause))

    def note(self, location: Location, cause: str) -> None:
        """List a version that isn't loaded, and say why."""
        entry = self._entry(location.name, location.version)
        if entry.servable is None and entry.leaving is None:
            self._put(self._fresh(location, pb.MODEL_STATE_UNLOADED, cause))

    def warn(self, name: str, version: int, cause: str) -> None:
        """Say something of a version that is ready, or with "" that all is well again; it stays ready."""
        entry = self._entry(name, version)
        if entry.servable is not None and entry.cause != cause:
            if cause:
                _log.warning("model is not as it was loaded", model=name, version=version, cause=cause)
            self._put(replace(entry, cause=cause))

    def hold_back(self, name: str, version: int, cause: str) -> None:
        """List a version, or with 0 what may be any, as unavailable without having tried it."""
        entry = self._entry(name, version)
        if entry.servable is None and entry.leaving is None and entry.cause != cause:
            _log.warning("model unavailable", model=name, version=version, cause=cause)
            state = pb.MODEL_STATE_UNAVAILABLE
            self._put(Entry(name=name, version=version, state=state, cause=cause, held_back=True))

    def drop(self, name: str, version: int) -> None:
        """List a version no more; one that is ready or leaving stays."""
        entry = self._models.get(name, {}).get(version)
        if entry is not None and entry.servable is None and entry.leaving is None:
            del self._models[name][version]
            if not self._models[name]:
                del self._models[name]
                self.forget(name)
            self._on_change(replace(entry, state=pb.MODEL_STATE_UNSPECIFIED))

    async def _load_one(self, location: Location, threads: Threads) -> None:
        if self._stopped:
            self._given_up(location, self._stopped)
            return
        task = asyncio.create_task(loaded(self._load, location, threads))
        load = self._loads[location.name, location.version] = _Load(location=location, task=task)
        try:
            servable, cause = await task
        except asyncio.CancelledError:
            if not load.given_up:
                raise
            self._given_up(location, load.given_up)
            return
        finally:
            task.cancel()
            del self._loads[location.name, location.version]
        if servable is None:
            self._failed(location, cause)
            return
        before = self._entry(location.name, location.version).servable
        self._put(replace(self._fresh(location, pb.MODEL_STATE_READY), servable=servable))
        if before is not None:
            self._refcounts.when_unused(before, lambda: self._on_gone(before))

    def _failed(self, location: Location, cause: str) -> None:
        entry = self._entry(location.name, location.version)
        if entry.servable is not None:
            cause = f"one of its files has changed, and it can't be loaded: {cause}"
            self._put(replace(entry, failed_stamp=location.stamp, cause=cause))
        else:
            self._put(self._fresh(location, pb.MODEL_STATE_UNAVAILABLE, cause))

    def _given_up(self, location: Location, cause: str) -> None:
        _log.info("model not loaded", model=location.name, version=location.version, cause=cause)
        if self._entry(location.name, location.version).servable is None:
            self._put(self._fresh(location, pb.MODEL_STATE_UNLOADED, cause))

    def _left(self, servable: Servable, cause: str) -> None:
        entry = self._entry(servable.name, servable.version)
        if entry.leaving is servable:
            _log.info("model unloaded", model=servable.name, version=servable.version)
            self._put(replace(entry, state=pb.MODEL_STATE_UNLOADED, leaving=None, cause=cause))
        self._on_gone(servable)

    def _entry(self, name: str, version: int) -> Entry:
        unknown = Entry(name=name, version=version, state=pb.MODEL_STATE_UNSPECIFIED)
        return self._models.get(name, {}).get(version, unknown)

    @staticmethod
    def _fresh(location: Location, state: pb.ModelState.ValueType, cause: str = "") -> Entry:
        return Entry(name=location.name, version=location.version, state=state, cause=cause, stamp=location.stamp)

    def _put(self, entry: Entry) -> None:
        self._models.setdefault(entry.name, {})[entry.version] = entry
        self._on_change(entry)
