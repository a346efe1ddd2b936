"""Whether the server, its API and each model can be called, and who wants to hear when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

SERVER = ""
API = "soloist.v1.SequenceInference"
OPEN_INFERENCE = "inference.GRPCInferenceService"
# Not among those that are told of: whether it answers doesn't depend on the models.
ADMIN = "soloist.v1.Admin"
NORM_SKEW = "soloist.v1.NormSkew"
FEEDBACK = "soloist.v1.Feedback"
_OURS = (SERVER, API, OPEN_INFERENCE)


class Health:
    """Serving status by service name: "" is the server, then the APIs' full names, then every model's name.

    Written on the event loop; `why_not_ready` may be read on any thread.
    """

    def __init__(self, *further: str) -> None:
        """Args: `further` are services that are there as this server is set up."""
        self._ours = (*_OURS, *further)
        self._serving: dict[str, bool] = dict.fromkeys(self._ours, False)
        self._why_not_ready = "models are loading"
        self._failed: dict[str, str] = {}
        self._draining = False
        self._closed = False
        # Set, and replaced, at every change: each watcher waits on the event it took before it looked.
        self._changed = asyncio.Event()

    @property
    def why_not_ready(self) -> str:
        """Say in words why the server can't be called; empty when it can."""
        return self._why_not_ready

    @property
    def statuses(self) -> Mapping[str, bool]:
        """Serving or not, by service name."""
        return self._serving

    def update(self, models: Mapping[str, bool], why_not_ready: str) -> None:
        """Take over what the repository says: each model's status, and why the server isn't ready ("" when it is)."""
        if self._draining:
            return
        why_not_ready = "; ".join(self._failed.values()) or why_not_ready
        ready = not why_not_ready
        self._why_not_ready = why_not_ready
        self._serving = {**dict.fromkeys(self._ours, ready), **models}
        self._notify()

    def fail(self, worker: str, why: str) -> None:
        """Report that a part which can't go on has ended: the server isn't ready any more, for good."""
        self._failed[worker] = why
        models = {name: is_serving for name, is_serving in self._serving.items() if name not in self._ours}
        self.update(models, self._why_not_ready)

    def drain(self) -> None:
        """Report everything as not serving, for good."""
        self._draining = True
        self._why_not_ready = "draining"
        self._serving = dict.fromkeys(self._serving, False)
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
