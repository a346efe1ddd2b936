"""The catalogue of versions, and the one that answers a call. Belongs to the event loop; loads.py loads them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from service.core.errors import Reason, ServiceError
from service.repository.entry import Entries, Entry, new_entry
from service.repository.loads import Loads
from service.repository.refcounts import Refcounts
from service.repository.rollout import NO_ROLLOUT, STABLE, Rollout, canary_version, default_version, place_of
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.layout import Location

_log = structlog.get_logger("soloist.repository")


class Repository:
    """Entries by name and version; `on_change` is called with every change."""

    def __init__(
        self,
        load: Callable[[Location], Servable],
        on_change: Callable[[Entry], None],
        *,
        refcounts: Refcounts | None = None,
        on_gone: Callable[[Servable], None] = lambda _: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Create an empty catalogue.

        Args:
            load: loads one version.
            on_change: called with every entry that changes.
            refcounts: counts the sequences of each version.
            on_gone: called with a version whose last sequence has ended.
            draw: returns a random number in [0, 1).

        """
        self._entries = Entries(on_change)
        self._draw = draw
        self._rollouts: dict[str, Rollout] = {}
        self.loads = Loads(self._entries, load, refcounts or Refcounts(), on_gone)

    def entries(self, name: str = "") -> list[Entry]:
        """Return every version, of one model or of all, sorted by name and version."""
        names = [name] if name else sorted(self._entries.names())
        return [entry for each in names for _, entry in sorted(self._entries.of(each).items())]

    def names(self) -> set[str]:
        """Return the names of all known models."""
        return self._entries.names() | self._rollouts.keys()

    def is_listed(self, name: str, version: int) -> bool:
        """Return whether a version is listed, ready or not."""
        return version in self._entries.of(name)

    def forget(self, name: str) -> None:
        """Forget the rollout of a model that isn't listed."""
        if not self._entries.of(name):
            self._rollouts.pop(name, None)
            self._entries.chosen.clear()

    def rollout(self, name: str) -> Rollout:
        """Return the rollout of a model."""
        return self._rollouts.get(name, NO_ROLLOUT)

    def spread(self, name: str, rollout: Rollout) -> None:
        """Set the rollout of a model."""
        self._rollouts[name] = rollout
        self._entries.chosen.clear()
        for entry in self.entries(name):
            self._entries.on_change(entry)

    def answers(self, name: str) -> bool:
        """Return whether a call that names no version is answered."""
        versions = self._entries.of(name)
        entry = default_version(versions, self.rollout(name)) if versions else None
        return entry is not None and entry.servable is not None

    def find(self, name: str, version: int, label: str = "") -> Entry:
        """Return one version, ready or not; without version and label the one that answers.

        Raises:
            ServiceError: MODEL_NOT_FOUND or MODEL_VERSION_NOT_FOUND; PARAMETER_INVALID if both are given.

        """
        versions = self._entries.of(name)
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
        """Return the version for a new sequence: as `resolve`, but without version and label maybe the canary.

        All sequences of one `key` go to the canary, or none; without a key each is drawn by itself.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        if version or label:
            return self.resolve(name, version, label)
        chosen = self._entries.chosen.get(name)
        if chosen is not None:
            return chosen
        if (rollout := self.rollout(name)).canary_percent:
            place = place_of(name, key) if key else self._draw()
            canary = canary_version(self._entries.of(name), rollout, place)
            if canary is not None:
                return canary
            return self.resolve(name, version, label)
        chosen = self._entries.chosen[name] = self.resolve(name, version, label)
        return chosen

    def shadow_of(self, servable: Servable) -> Servable | None:
        """Return the version that gets copies of this one's traffic, if there is one."""
        shadow = self.rollout(servable.name).shadow
        entry = self._entries.of(servable.name).get(shadow) if shadow else None
        return entry.servable if entry is not None and entry.servable is not servable else None

    def note(self, location: Location, cause: str) -> None:
        """List a version that isn't loaded, with the cause."""
        entry = self._entries.get(location.name, location.version)
        if entry.servable is None and entry.leaving is None:
            self._entries.put(new_entry(location, pb.MODEL_STATE_UNLOADED, cause))

    def warn(self, name: str, version: int, cause: str) -> None:
        """Set the warning of a version, which stays ready; "" removes it."""
        entry = self._entries.get(name, version)
        if entry.servable is not None and entry.cause != cause:
            if cause:
                _log.warning("model differs from what was loaded", model=name, version=version, cause=cause)
            self._entries.put(replace(entry, cause=cause))

    def hold_back(self, name: str, version: int, cause: str) -> None:
        """List a version as unavailable without having tried it; 0 stands for an unknown version."""
        entry = self._entries.get(name, version)
        if entry.servable is None and entry.leaving is None and entry.cause != cause:
            _log.warning("model unavailable", model=name, version=version, cause=cause)
            state = pb.MODEL_STATE_UNAVAILABLE
            self._entries.put(Entry(name=name, version=version, state=state, cause=cause, held_back=True))

    def drop(self, name: str, version: int) -> None:
        """Remove a version from the list, unless it is ready or unloading."""
        entry = self._entries.of(name).get(version)
        if entry is not None and entry.servable is None and entry.leaving is None:
            self._entries.remove(name, version)
            self.forget(name)
            self._entries.on_change(replace(entry, state=pb.MODEL_STATE_UNSPECIFIED))
