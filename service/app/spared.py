"""What the garbage collector is spared: all that is there once models are loaded.

A collection of everything looks at each object of every library and model, and holds up all calls meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Several versions that come and go together are dealt with once.
_PAUSE_SECONDS = 1.0


@contextmanager
def imports_spared() -> Iterator[None]:
    """Collect nothing during a block of imports: what they make stays, and would be looked at again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def spare_what_is_loaded() -> None:
    """Collect garbage, also among what was spared before, and let no later collection look at what is left."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Sparing:
    """Spares what is loaded soon after versions have come or gone. Belongs to the event loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Do so once, when nothing has changed for a while."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, spare_what_is_loaded)
