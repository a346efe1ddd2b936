"""The recorder of how calls, requests and runs ended: it keeps the sums and counts the metrics.

Events, from the inside out: a run of the graph; a request, which is a chunk, a whole sequence or some rows; a sequence
that was answered to its end; a call, which is one request or a stream of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from service.serving.batcher import Place
from service.serving.call_metrics import SERVER_APIS, VERSION_APIS, CallView, VersionCalls
from service.serving.statistics import StatisticsView, VersionStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from service.core.metrics import Exemplar
    from service.engine.runner import RunSeconds
    from service.loading.servable import Servable
    from service.serving.batcher import Answer
    from service.serving.call import Call
    from soloist.v1.model_pb2 import Model


class CallObserver(Protocol):
    """What hears of answers and of the ends of calls, on the event loop; it doesn't raise and doesn't wait."""

    def answered(
        self,
        call: Call,
        answers: Sequence[Answer],
        *,
        seconds: float,
        decode_seconds: float,
        encode_seconds: float,
    ) -> None:
        """Hear of one request that has just been answered, with the times that are known."""

    def ended(self, call: Call, code: str, seconds: float) -> Exemplar | None:
        """Hear of a call that has just ended; return what an example of its time is known by, if anything."""


class _Version:
    """What is kept of one version: exact sums, and its calls by API."""

    def __init__(self) -> None:
        self.statistics = VersionStatistics()
        self.calls = VersionCalls()


class Recorder:
    """Sums and counters of all versions. Belongs to the event loop; the metrics are read on any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Whether a version is in the repository. Nothing is kept of others, because nobody would forget it.
        self.is_listed: Callable[[str, int], bool] = lambda _name, _version: True
        self.observers: Sequence[CallObserver] = ()
        self._versions: dict[tuple[str, str], _Version] = {}
        self._no_model = VersionCalls()
        self._no_model.prepare((*VERSION_APIS, *SERVER_APIS))
        self._places = dict.fromkeys(Place, 0)
        registry.register(StatisticsView(self._statistics, self._places))
        registry.register(CallView(self._calls))

    def prepare(self, model: Model) -> None:
        """Create the series of a version that is ready."""
        key = model.name, str(model.version)
        version = self._versions.get(key)
        if version is None:
            version = self._versions[key] = _Version()
        version.calls.prepare()
        version.statistics.rows.setdefault(model.norm, 0)

    def forget(self, name: str, version: str) -> None:
        """Forget a version that has left the repository."""
        self._versions.pop((name, version), None)

    def statistics(self, servable: Servable) -> VersionStatistics:
        """Return the sums of one version, all zero at first."""
        version = self._of(servable.key)
        return version.statistics if version is not None else VersionStatistics()

    def ran(self, servable: Servable, lengths: Sequence[int], seconds: RunSeconds, place: Place = Place.WORKER) -> None:
        """Record one run of the graph; `lengths` are the frames of each row."""
        self._places[place] += 1
        rows = len(lengths)
        padding_ratio = servable.padding_ratio(lengths) if rows > 1 else 0.0
        self.statistics(servable).ran(rows, seconds, padding_ratio)

    def succeeded(
        self,
        call: Call,
        servable: Servable,
        answers: Sequence[Answer],
        *,
        seconds: float,
        decode_seconds: float = 0.0,
        encode_seconds: float = 0.0,
    ) -> None:
        """Record one request that was answered with at least one row, `seconds` after it arrived."""
        if self.observers:
            for each in self.observers:
                each.answered(
                    call, answers, seconds=seconds, decode_seconds=decode_seconds, encode_seconds=encode_seconds
                )
        version = self._of(servable.key)
        if version is None:
            return
        version.statistics.succeeded(
            servable.manifest.norm,
            answers,
            seconds=seconds,
            decode_seconds=decode_seconds,
            encode_seconds=encode_seconds,
        )
        series = version.calls.of(call.api)
        observe_queue, observe_compute = series.queue_seconds.observe, series.compute_seconds.observe
        for answer in answers:
            observe_queue(answer.queue_seconds)
            observe_compute(answer.compute_seconds)

    def failed(self, servable: Servable, *, seconds: float) -> None:
        """Record one request that was refused, failed or cancelled."""
        self.statistics(servable).failed(seconds=seconds)

    def sequence_ended(self, servable: Servable, frame_count: int) -> None:
        """Record a sequence that was answered to its end."""
        version = self._of(servable.key)
        if version is not None:
            version.calls.sequence_frames.observe(frame_count)

    def joined(self, servable: Servable, chunks: int) -> None:
        """Record a run of several chunks of one stream."""
        self.statistics(servable).joined(chunks)

    def call_ended(self, call: Call, code: str, began: float) -> float:
        """Record how a call ended that began at `began` of time.perf_counter(), and return its time in seconds.

        A call whose version is unknown, or has left the repository meanwhile, counts without a model and a time.
        """
        seconds = time.perf_counter() - began
        exemplars = [each.ended(call, code, seconds) for each in self.observers] if self.observers else ()
        version = self._of((call.model, call.version)) if call.model else None
        if version is None:
            self._no_model.of(call.api).ended(code)
            return seconds
        series = version.calls.of(call.api)
        series.ended(code)
        series.request_seconds.observe(seconds)
        for exemplar in exemplars:
            if exemplar is not None:
                series.request_seconds.exemplify(seconds, exemplar)
        if call.first_output_at is not None:
            series.first_output_seconds.observe(call.first_output_at - (call.first_frames_at or began))
        return seconds

    def _of(self, key: tuple[str, str]) -> _Version | None:
        found = self._versions.get(key)
        if found is None and self.is_listed(key[0], int(key[1])):
            found = self._versions[key] = _Version()
        return found

    def _statistics(self) -> Mapping[tuple[str, str], VersionStatistics]:
        return {version: each.statistics for version, each in list(self._versions.items())}

    def _calls(self) -> Mapping[tuple[str, str], VersionCalls]:
        found = {version: each.calls for version, each in list(self._versions.items())}
        return {("", ""): self._no_model, **found}
