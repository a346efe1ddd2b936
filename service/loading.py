"""How a server's repository is put together: files are loaded by its policy, health and metrics hear of changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from service.engine.servable import LoadPolicy, Servable, load_servable
from service.repository import Entry, Keeper, Repository
from service.repository.polling import Polling
from service.repository.rollout import STABLE
from service.repository.version_policy import in_words
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from service.health import Health
    from service.metrics import Metrics
    from service.repository.layout import Location
    from service.settings import Settings
    from service.uses import Uses

_MOST_CAUSES = 3  # a probe's log line shows some; `soloist admin index` all


class Loading:
    """The repository of a running server, and what keeps it as it should be. Belongs to the event loop."""

    def __init__(self, settings: Settings, executor: Executor, health: Health, metrics: Metrics, uses: Uses) -> None:
        policy = LoadPolicy(batch_uncertified=settings.batch_uncertified, certify_seconds=settings.certify_seconds)
        self.on_gone: Callable[[Servable], None] = lambda _: None
        self.on_failure: Callable[[Exception], object] = lambda _: None
        self.repository = Repository(
            partial(_load, policy), self._changed, uses=uses, on_gone=lambda servable: self.on_gone(servable)
        )
        self.keeper = Keeper(settings.repository, self.repository, executor, in_words(settings.version_policy))
        self._poll_seconds = settings.poll_seconds
        self._health = health
        self._metrics = metrics
        self._is_ready = False

    async def start(self) -> None:
        """Load what is there; returns when each version is ready or known to be unavailable."""
        await self.keeper.look()
        self._is_ready = True
        self._report()

    async def follow(self) -> None:
        """Look for changes for ever, if the settings say so."""
        if self._poll_seconds:
            await Polling(self.keeper, lambda error: self.on_failure(error)).run(self._poll_seconds)

    def _changed(self, entry: Entry) -> None:
        if entry.servable is not None:
            self._metrics.prepare(entry.servable.manifest, entry.servable.certificate)
        elif entry.state == pb.MODEL_STATE_UNSPECIFIED:
            self._metrics.forget(entry.name, str(entry.version))
        else:
            self._metrics.withdraw(entry.name, str(entry.version))
        self._prepare_shadow(entry.name)
        self._report()

    def _prepare_shadow(self, name: str) -> None:
        shadow = self.repository.rollout(name).shadow
        for entry in self.repository.entries(name) if shadow else ():
            if entry.servable is not None and entry.version != shadow:
                self._metrics.prepare_shadow(name, str(entry.version), str(shadow))

    def _report(self) -> None:
        names = {entry.name for entry in self.repository.entries()}
        statuses = {name: self.repository.answers(name) for name in names}
        missing = "" if any(statuses.values()) else self._why_none()
        self._health.update(statuses, missing if self._is_ready else "models are loading")

    def _why_none(self) -> str:
        unavailable = [each for each in self.repository.entries() if each.state == pb.MODEL_STATE_UNAVAILABLE]
        causes = [f"{each.name} version {each.version}: {each.cause}" for each in unavailable]
        causes += [
            f"{each.name} version {each.version} is ready, and another version is labelled {STABLE}"
            for each in self.repository.entries()
            if each.servable is not None
        ]
        causes = causes[:_MOST_CAUSES]
        return ": ".join(["no model can be called", *(["; ".join(causes)] if causes else [])])


def _load(policy: LoadPolicy, location: Location) -> Servable:
    return load_servable(location.path, policy, name=location.name, version=location.version)
