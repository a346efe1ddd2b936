"""The health of the server, its APIs and each model, and the watches of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

SERVER = ""
API = "soloist.v1.SequenceInference"
OPEN_INFERENCE = "inference.GRPCInferenceService"
# It has no status: whether it answers doesn't depend on the models.
ADMIN = "soloist.v1.Admin"
NORM_SKEW = "soloist.v1.NormSkew"
FEEDBACK = "soloist.v1.Feedback"
_OURS = (SERVER, API, OPEN_INFERENCE)


class Health:
    """Serving status by service name: "" is the server, then the APIs' full names, then every model's name.

    Written on the event loop; `why_not_ready` may be read on any thread.
    """

    def __init__(self, *further: str) -> None:
        """Create it with all statuses at not serving.

        Args:
            further: names of the services that this server has.

        """
        self._ours = (*_OURS, *further)
        self._models: Mapping[str, bool] = {}
        self._missing = "models are loading"
        self._faults: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._draining = False
        self._closed = False
        # Set and replaced at every change: each watcher waits for the event that it took before it read the status.
        self._changed = asyncio.Event()
        self._apply()

    @property
    def why_not_ready(self) -> str:
        """Return in words why the server can't be called; empty if it can."""
        return self._why_not_ready

    @property
    def statuses(self) -> Mapping[str, bool]:
        """Return whether each service is serving, by name."""
        return self._serving

    def update(self, models: Mapping[str, bool], why_not_ready: str) -> None:
        """Set the status of each model, and why the repository isn't ready ("" if it is)."""
        self._models, self._missing = models, why_not_ready
        self._apply()

    def report(self, part: str, fault: str) -> None:
        """Set the fault of a part that every answer needs, or "" when it works again."""
        self._faults[part] = fault
        self._apply()

    def fail(self, worker: str, why: str) -> None:
        """Report that a part has ended and can't go on. The server isn't ready any more, for good."""
        self._failed[worker] = why
        self._apply()

    def drain(self) -> None:
        """Report everything as not serving, for good."""
        self._draining = True
        self._apply()

    def _apply(self) -> None:
        told = (*self._failed.values(), *self._faults.values(), self._missing)
        faults = ["draining"] if self._draining else [each for each in told if each]
        self._why_not_ready = "; ".join(faults)
        answers = not self._draining and not any(self._faults.values())
        ours = dict.fromkeys(self._ours, not faults)
        self._serving: dict[str, bool] = {**ours, **{name: answers and ready for name, ready in self._models.items()}}
        self._notify()

    def close(self) -> None:
        """End every watch."""
        self._closed = True
        self._notify()

    async def watch(self, service: str) -> AsyncGenerator[bool | None]:
        """Yield the status of a service now and whenever it changes; None while there is no such service."""
        told: list[bool | None] = []
        while not self._closed:
            changed = self._changed
            status = self._serving.get(service)
            if told != [status]:
                told = [status]
                yield status
            else:
                await changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
