"""The context of the protocol's handlers, in addition to the parts that every handler uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from service.api.oip.model_view import ModelView
from service.api.oip.untimed_view import UntimedView
from service.api.others import alone

if TYPE_CHECKING:
    from service.api.oip.sequences import Sequences
    from service.api.oip.stored_sequences import StoredSequences
    from service.api.operations import Operations
    from service.api.others import Others
    from service.core.health import Health
    from service.loading.servable import Servable
    from service.serving.inference import Serving

# The digits of the largest possible version, 2^63 - 1.
_MOST_DIGITS = 19


@dataclass(frozen=True, kw_only=True)
class OipContext:
    """A running server as this protocol needs it. `max_rows` bounds the rows of a request.

    `others` asks the other processes of the server, if there are any. `stored` is None without a sequence store.
    """

    serving: Serving
    sequences: Sequences
    manager: Operations
    health: Health
    max_rows: int
    others: Others = alone
    stored: StoredSequences | None = None
    _views: WeakKeyDictionary[Servable, ModelView | UntimedView] = field(default_factory=WeakKeyDictionary)

    def resolve(self, name: str, version: str) -> Servable:
        """Return a version that can be called, by number or label; "" stands for the one that most callers get.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        return self.serving.repository.resolve(name, *_read(version))

    def route(self, name: str, version: str, *, key: str) -> Servable:
        """Return what a new sequence runs on: as `resolve`, but with none maybe the canary, all or none of one `key`.

        Raises:
            ServiceError: there is none of that name, or it can't be called.

        """
        return self.serving.repository.route(name, *_read(version), key=key)

    def max_rows_of(self, servable: Servable) -> int:
        """Return the most rows of a request; a configuration may promise more, and they run one by one."""
        promised = servable.description.config.max_batch_size if servable.description is not None else 0
        return max(self.max_rows, promised)

    def view(self, servable: Servable) -> ModelView | UntimedView:
        """Return how a version looks to the protocol."""
        view = self._views.get(servable)
        if view is None:
            untimed = servable.description.untimed if servable.description is not None else None
            view = ModelView(servable) if untimed is None else UntimedView(untimed)
            self._views[servable] = view
        return view


def _read(version: str) -> tuple[int, str]:
    """Return a number or a label. What is longer than any version is none, and a label of no version."""
    is_number = version.isascii() and version.isdecimal() and len(version) <= _MOST_DIGITS
    return (int(version), "") if is_number else (0, version)
