"""What the protocol's handlers work with, beside the parts that every handler has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from service.errors import Reason, ServiceError
from service.oip.model_view import ModelView

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.handlers.serving import Serving
    from service.health import Health
    from service.oip.sequences import Sequences


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A running server as this protocol needs it; `max_rows` is the most rows of a request."""

    serving: Serving
    sequences: Sequences
    health: Health
    max_rows: int
    _views: WeakKeyDictionary[Servable, ModelView] = field(default_factory=WeakKeyDictionary)

    def resolve(self, name: str, version: str) -> Servable:
        """Return what answers calls; no version stands for the default.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        return self.serving.repository.resolve(name, number_of(name, version))

    def view(self, servable: Servable) -> ModelView:
        """Return how a version looks to the protocol."""
        view = self._views.get(servable)
        if view is None:
            view = self._views[servable] = ModelView(servable)
        return view


def number_of(model: str, version: str) -> int:
    """Read a version, 0 for none.

    Raises:
        ServiceError: MODEL_VERSION_NOT_FOUND, where it is no number.

    """
    if not version:
        return 0
    if not (version.isascii() and version.isdecimal()):
        raise ServiceError(Reason.MODEL_VERSION_NOT_FOUND, model=model, version=version)
    return int(version)
