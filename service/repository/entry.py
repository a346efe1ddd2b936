"""The entries of versions: the state of each, what answers its calls, or why nothing does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.layout import Location, Stamp

UNLOADED = "unloaded by an operator"
_REASONS = {
    pb.MODEL_STATE_LOADING: Reason.MODEL_LOADING,
    pb.MODEL_STATE_UNAVAILABLE: Reason.MODEL_UNAVAILABLE,
    pb.MODEL_STATE_READY: Reason.MODEL_UNAVAILABLE,  # the loaded one; the one now on disk can't be called
    pb.MODEL_STATE_UNLOADING: Reason.MODEL_NOT_LOADED,
    pb.MODEL_STATE_UNLOADED: Reason.MODEL_NOT_LOADED,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version. `servable` answers new calls if it is ready; `leaving` serves open sequences to their end.

    `cause` says why it can't be called, or has a warning for the operator. `stamp` is that of the files that were
    loaded, or that failed; `failed_stamp` is that of newer files that failed while the loaded ones serve. `held_back`:
    it was never tried, since it is unknown what should be served.
    """

    name: str
    version: int
    state: pb.ModelState.ValueType
    servable: Servable | None = None
    leaving: Servable | None = None
    cause: str = ""
    stamp: Stamp | None = None
    failed_stamp: Stamp | None = None
    held_back: bool = False

    def is_of(self, stamp: Stamp | None) -> bool:
        """Return whether it was loaded, or failed, from its files as they are now.

        A model with a manifest in its graph doesn't depend on the files that versions share.
        """
        if self.stamp is None or stamp is None:
            return self.stamp is stamp
        says_itself = self.servable is not None and self.servable.description is None
        return self.stamp.own == stamp.own and (says_itself or self.stamp.shared == stamp.shared)

    def status(self) -> pb.ModelStatus:
        """Return it as a message."""
        known = self.servable or self.leaving
        return pb.ModelStatus(
            name=self.name,
            version=self.version,
            state=self.state,
            reason=self.cause or (self.servable.warm_up_fault if self.servable is not None else ""),
            control=known is not None and known.manifest.control,
        )

    def refusal(self) -> ServiceError:
        """Return the error for calls to it."""
        return ServiceError(_REASONS[self.state], model=self.name, version=self.version, cause=self.cause)


def new_entry(location: Location, state: pb.ModelState.ValueType, cause: str = "") -> Entry:
    """Return the entry of a version that isn't loaded."""
    return Entry(name=location.name, version=location.version, state=state, cause=cause, stamp=location.stamp)


class Entries:
    """All entries, by name and version. `on_change` is called with every entry that changes."""

    def __init__(self, on_change: Callable[[Entry], None]) -> None:
        self.on_change = on_change
        self._models: dict[str, dict[int, Entry]] = {}
        # What calls get that name no version, by model: found once, and forgotten with every change.
        self.chosen: dict[str, Servable] = {}

    def names(self) -> set[str]:
        """Return every model that has an entry."""
        return set(self._models)

    def of(self, name: str) -> dict[int, Entry]:
        """Return the entries of one model by version; empty if it isn't listed."""
        return self._models.get(name, {})

    def get(self, name: str, version: int) -> Entry:
        """Return the entry of a version, or one without a state."""
        unknown = Entry(name=name, version=version, state=pb.MODEL_STATE_UNSPECIFIED)
        return self.of(name).get(version, unknown)

    def put(self, entry: Entry) -> None:
        """Replace the entry of a version."""
        self._models.setdefault(entry.name, {})[entry.version] = entry
        self.chosen.clear()
        self.on_change(entry)

    def remove(self, name: str, version: int) -> None:
        """Remove the entry of a version, and with the last one its model. The caller reports the change."""
        self.chosen.clear()
        del self._models[name][version]
        if not self._models[name]:
            del self._models[name]
