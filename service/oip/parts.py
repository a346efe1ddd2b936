"""What the protocol's handlers work with, beside the parts that every handler has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from service.oip.model_view import ModelView

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.handlers.serving import Serving
    from service.health import Health
    from service.oip.sequences import Sequences
    from service.repository import Keeper


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A running server as this protocol needs it; `max_rows` is the most rows of a request."""

    serving: Serving
    sequences: Sequences
    keeper: Keeper
    health: Health
    max_rows: int
    _views: WeakKeyDictionary[Servable, ModelView] = field(default_factory=WeakKeyDictionary)

    def resolve(self, name: str, version: str, *, key: str = "") -> Servable:
        """Return what answers a new sequence; a version may be a number or a label, none stands for the default.

        Sequences of one `key` go to a canary all or none.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        number, label = _read(version)
        return self.serving.repository.resolve(name, number, label, key=key)

    def view(self, servable: Servable) -> ModelView:
        """Return how a version looks to the protocol."""
        view = self._views.get(servable)
        if view is None:
            view = self._views[servable] = ModelView(servable)
        return view


def _read(version: str) -> tuple[int, str]:
    """Tell a number from a label."""
    return (int(version), "") if version.isascii() and version.isdecimal() else (0, version)
