"""How a server's repository is put together: files are loaded by its policy, health and metrics hear of changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from service.engine.servable import LoadPolicy, Servable, load_servable
from service.readiness import why_not_ready
from service.repository import Entry, Keeper, Repository
from service.repository.layout import RepositoryError
from service.repository.polling import Polling
from service.repository.threads import Threads
from service.repository.version_policy import in_words
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.health import Health
    from service.metrics import Metrics
    from service.repository.layout import Location
    from service.settings import Settings
    from service.uses import Uses

_log = structlog.get_logger("soloist.repository")
# How the names of the threads begin.
_LOADER, _LOOKER = "soloist-loader", "soloist-looker"
_LOOKS = 2


class Loading:
    """The repository of a running server, and what keeps it as it should be. Belongs to the event loop."""

    def __init__(self, settings: Settings, health: Health, metrics: Metrics, uses: Uses) -> None:
        policy = LoadPolicy(batch_uncertified=settings.batch_uncertified, certify_seconds=settings.certify_seconds)
        self.on_gone: Callable[[Servable], None] = lambda _: None
        self.on_failure: Callable[[Exception], object] = lambda _: None
        self.on_forgotten: Callable[[Entry], None] = lambda _: None
        self.repository = Repository(
            partial(_load, policy), self._changed, uses=uses, on_gone=lambda servable: self.on_gone(servable)
        )
        self.keeper = Keeper(
            settings.repository,
            self.repository,
            in_words(settings.version_policy),
            loads=Threads(_LOADER, at_once=settings.workers, seconds=settings.load_seconds),
            looks=Threads(_LOOKER, at_once=_LOOKS, seconds=settings.load_seconds),
        )
        self._poll_seconds = settings.poll_seconds
        self._ready_when = settings.ready_when
        self._health = health
        self._metrics = metrics
        self._has_looked = False

    async def start(self) -> None:
        """Load what is there; returns when each version is ready or known to be unavailable."""
        try:
            await self.keeper.look()
        except RepositoryError as error:
            _log.warning("repository unreadable", cause=str(error))
        except Exception as error:
            self.on_failure(error)
        self._has_looked = True
        self._report()

    async def follow(self) -> None:
        """Look for changes for ever, if the settings say so."""
        if self._poll_seconds:
            await Polling(self.keeper, lambda error: self.on_failure(error)).run(self._poll_seconds)

    def stop(self) -> None:
        """Give up what is being loaded, and load nothing any more."""
        self.repository.stop_loading("the server ends")

    def _changed(self, entry: Entry) -> None:
        if entry.servable is not None:
            self._metrics.prepare(entry.servable.manifest, entry.servable.certificate)
        elif entry.state == pb.MODEL_STATE_UNSPECIFIED:
            self._metrics.forget(entry.name, str(entry.version))
            self.on_forgotten(entry)
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
        self._health.update(statuses, why_not_ready(self.repository, self._ready_when, has_looked=self._has_looked))


def _load(policy: LoadPolicy, location: Location) -> Servable:
    return load_servable(location.path, policy, name=location.name, version=location.version)
