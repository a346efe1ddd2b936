"""The repository of the server: loaded by its settings, polled for changes, and reported to health and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from service.core.metrics import VERSION, Family, GaugeFamily, Merge, Start, VersionSeries, remove
from service.engine.model_file import ModelFileError, ModelLimits
from service.loading.servable import LoadPolicy, Servable, load_servable
from service.repository import Entry, Repository, RepositoryManager
from service.repository.layout import Location, RepositoryError
from service.repository.loading_threads import Threads
from service.repository.model_folder import in_words
from service.repository.readiness import why_not_ready
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from service.app.settings import Settings
    from service.core.health import Health
    from service.loading.trials import Trials
    from service.repository.manager import RepositoryManager
    from service.repository.refcounts import Refcounts
    from soloist.v1.model_pb2 import Model

_log = structlog.get_logger("soloist.repository")
# Prefixes of the threads' names.
_LOADER, _LOOKER = "soloist-loader", "soloist-looker"
_LOOKS = 2
MODEL_INFO = GaugeFamily(
    name="soloist_model_info",
    text="1 for every version that answers calls.",
    labels=(*VERSION, "norm", "certificate"),
    start=Start.VERSION,
    merge=Merge.MOST,
)
FAMILIES: Final[tuple[Family, ...]] = (MODEL_INFO,)


class VersionMetrics:
    """The metric of versions that answer calls, and the series of every part for them."""

    def __init__(
        self,
        registry: CollectorRegistry,
        parts: Sequence[VersionSeries],
        prepare_shadow: Callable[[str, str, str], None] = lambda _name, _version, _shadow: None,
    ) -> None:
        """Create the metric.

        Args:
            registry: where it is registered.
            parts: the parts that have series of every version.
            prepare_shadow: creates the series of a version and its shadow.

        """
        self.prepare_shadow = prepare_shadow
        self._parts = parts
        self._info = MODEL_INFO.on(registry)

    def prepare(self, model: Model, certificate: str) -> None:
        """Create the series of a ready version, so that rates are right from the first call on."""
        for part in self._parts:
            part.prepare(model)
        name, version = model.name, str(model.version)
        self.withdraw(name, version)
        self._info.labels(name, version, model.norm, certificate).set(1)

    def withdraw(self, name: str, version: str) -> None:
        """Remove a version that doesn't answer calls any more. Its counts stay: a scrape may have missed the last."""
        remove(name, version, (self._info,))

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version that has left the repository."""
        for part in self._parts:
            part.forget(name, version)
        self.withdraw(name, version)


class Loading:
    """The repository of a running server, and the polling of it. Belongs to the event loop."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        metrics: VersionMetrics,
        refcounts: Refcounts,
        trials: Trials | None,
    ) -> None:
        load = _Loader(settings, trials)
        self.on_gone: Callable[[Servable], None] = lambda _: None
        # Called when versions have been loaded or freed.
        self.on_settled: Callable[[], None] = lambda: None
        self.on_failure: Callable[[Exception], object] = lambda _: None
        self.repository = Repository(load, self._changed, refcounts=refcounts, on_gone=self._gone)
        self.manager = RepositoryManager(
            settings.repository,
            self.repository,
            in_words(settings.version_policy),
            loads=Threads(_LOADER, at_once=settings.workers, seconds=settings.load_timeout_seconds),
            looks=Threads(_LOOKER, at_once=_LOOKS, seconds=settings.load_timeout_seconds),
            only_inside=settings.links == "inside",
        )
        self._poll_seconds = settings.repository_poll_seconds
        self._ready_when = settings.ready_when
        self._health = health
        self._metrics = metrics
        self._has_looked = False

    async def start(self) -> None:
        """Load all models, and return when each version is ready or known to be unavailable."""
        try:
            await self.manager.look()
        except RepositoryError as error:
            _log.warning("repository unreadable", cause=str(error))
        except Exception as error:
            self.on_failure(error)
        self._has_looked = True
        self._report()

    async def follow(self) -> None:
        """Poll for changes for ever, if the settings say so."""
        if self._poll_seconds:
            await Polling(self.manager, lambda error: self.on_failure(error)).run(self._poll_seconds)

    def stop(self) -> None:
        """Cancel all loads, and begin no other."""
        self.repository.loads.stop("the server ends")

    def _changed(self, entry: Entry) -> None:
        if entry.servable is not None:
            self._metrics.prepare(entry.servable.manifest, entry.servable.certificate)
        elif entry.state == pb.MODEL_STATE_UNSPECIFIED:
            self._metrics.forget(entry.name, str(entry.version))
        else:
            self._metrics.withdraw(entry.name, str(entry.version))
        self._prepare_shadow(entry.name)
        self._report()
        if entry.servable is not None:
            self.on_settled()

    def _gone(self, servable: Servable) -> None:
        self.on_gone(servable)
        self.on_settled()

    def _prepare_shadow(self, name: str) -> None:
        shadow = self.repository.rollout(name).shadow
        for entry in self.repository.entries(name) if shadow else ():
            if entry.servable is not None and entry.version != shadow:
                self._metrics.prepare_shadow(name, str(entry.version), str(shadow))

    def _report(self) -> None:
        names = {entry.name for entry in self.repository.entries()}
        statuses = {name: self.repository.answers(name) for name in names}
        self._health.update(statuses, why_not_ready(self.repository, self._ready_when, has_looked=self._has_looked))


class _Loader:
    """The load of one version: on trial first, if there are trials."""

    def __init__(self, settings: Settings, trials: Trials | None) -> None:
        limits = ModelLimits(max_bytes=settings.max_model_bytes, max_nodes=settings.max_model_nodes)
        self._policy = LoadPolicy(
            batch_uncertified=settings.batch_uncertified, certify_seconds=settings.certify_seconds, limits=limits
        )
        self._trials = trials

    def __call__(self, location: Location) -> Servable:
        if location.fault:
            raise ModelFileError(location.fault)
        sha256 = self._trials.try_out(location.path) if self._trials is not None else ""
        return load_servable(location.path, self._policy, name=location.name, version=location.version, sha256=sha256)


class Polling:
    """The polling of the repository."""

    def __init__(self, manager: RepositoryManager, on_failure: Callable[[Exception], object]) -> None:
        """Create the polling.

        Args:
            manager: reads and reconciles the repository.
            on_failure: called with unexpected errors.

        """
        self._manager = manager
        self._on_failure = on_failure
        self._before: set[Location] = set()
        self._now: set[Location] = set()

    async def run(self, poll_seconds: float) -> None:
        """Poll for ever, with a pause in between."""
        while True:
            await asyncio.sleep(poll_seconds)
            await self.look(patience_seconds=poll_seconds)

    async def look(self, *, patience_seconds: float | None = None) -> None:
        """Poll once. A repository that can't be read is read at the next poll; slow models aren't awaited."""
        self._before, self._now = self._now, set()
        try:
            await self._manager.look(is_settled=self._is_settled, patience_seconds=patience_seconds)
        except RepositoryError as error:
            _log.warning("repository unreadable", cause=str(error))
        except Exception as error:
            self._on_failure(error)

    def _is_settled(self, location: Location) -> bool:
        """Return whether the file exists, unchanged since the last poll: not every writer renames it into place."""
        self._now.add(location)
        return location.stamp is not None and location in self._before
