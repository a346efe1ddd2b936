"""How a server's parts are put together from its settings; here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from service.api.oip.context import OipContext
from service.api.oip.sequences import Sequences
from service.app.model_repository import VersionMetrics
from service.core.failures import Worker
from service.observers.feedback import Feedback, feedback
from service.observers.feedback.metrics import FeedbackMetrics
from service.observers.feedback.policy import LogPolicy, parse_windows
from service.observers.live_check.metrics import LiveCheckMetrics
from service.observers.shadow import ShadowPolicy, Shadows
from service.observers.shadow_metrics import ShadowMetrics
from service.observers.skew.metrics import SkewMetrics
from service.observers.skew.watch import SkewPolicy, SkewWatch
from service.serving.batcher import Batcher, BatchLimits
from service.serving.inference import InputLimits, Serving
from service.serving.recorder import Recorder
from service.serving.session_metrics import SessionMetrics
from service.serving.sessions import Sessions
from service.transport.admission import CallLimits
from service.transport.grpc_server import ConnectionLimits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from prometheus_client import CollectorRegistry

    from service.app.model_repository import Loading
    from service.app.settings import Settings
    from service.core.failures import Failures
    from service.core.health import Health
    from service.engine.runner import Row
    from service.loading.servable import Servable
    from service.observers.live_check import LiveCheck
    from service.repository.refcounts import Refcounts
    from service.serving.batcher.job import ObserveRuns, RunObserver
    from service.serving.prediction import Observer


class Metrics:
    """The metrics of every part that has series of versions or of models, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.recorder = Recorder(registry)
        self.sessions = SessionMetrics(registry)
        self.live_check = LiveCheckMetrics(registry)
        self.shadow = ShadowMetrics(registry)
        self.feedback = FeedbackMetrics(registry)
        self.skew = SkewMetrics(registry)
        context = (self.recorder, self.sessions, self.live_check, self.shadow, self.feedback, self.skew)
        self.versions = VersionMetrics(registry, context, self.shadow.prepare_pair)


def call_limits(settings: Settings) -> CallLimits:
    """Return what callers may take of the server."""
    return CallLimits(
        max_message_bytes=settings.max_message_bytes,
        idle_seconds=settings.session_idle_seconds,
        max_calls=settings.max_concurrent_calls,
        max_bytes=settings.max_inflight_bytes,
        max_connection_bytes=settings.max_inflight_bytes_per_connection,
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """Return what a connection may do, and how long it may do nothing."""
    return ConnectionLimits(
        max_message_bytes=settings.max_message_bytes,
        min_ping_interval_seconds=settings.min_ping_interval_seconds,
        keepalive_seconds=settings.keepalive_seconds,
        keepalive_timeout_seconds=settings.keepalive_timeout_seconds,
        connection_idle_seconds=settings.connection_idle_seconds,
        handshake_timeout_seconds=settings.handshake_timeout_seconds,
        max_connections=settings.max_connections,
        max_calls_per_connection=settings.max_calls_per_connection,
    )


def make_serving(
    settings: Settings,
    loading: Loading,
    refcounts: Refcounts,
    engine: Executor,
    decoder: Executor,
    check: LiveCheck,
    health: Health,
    metrics: Metrics,
    failures: Failures,
    observers: Sequence[Observer],
) -> Serving:
    """Put together what handlers of our own API work with; `observers` don't raise (Failures.guard)."""
    metrics.recorder.is_listed = loading.repository.is_listed
    # The batcher sees only what doesn't raise: an answer that is there isn't lost to those who watch it.
    observe_runs, on_run = _guarded(check.observe, failures), failures.guard(Worker.STATISTICS, metrics.recorder.ran)
    limits = BatchLimits(
        workers=settings.workers,
        max_batch_size=settings.max_batch_size,
        max_batch_frames=settings.max_batch_frames,
        max_slice_frames=settings.max_slice_frames,
        max_queued=settings.max_queued_requests,
    )
    return Serving(
        repository=loading.repository,
        sessions=Sessions(
            max_sessions=settings.max_sessions,
            max_state_bytes=settings.max_state_bytes,
            metrics=metrics.sessions,
            refcounts=refcounts,
        ),
        batcher=Batcher(
            engine,
            limits,
            observe_runs=observe_runs,
            on_run=on_run,
            on_stuck=lambda stuck: health.report("workers", "no run ends any more" if stuck else ""),
        ),
        recorder=metrics.recorder,
        decoder=decoder,
        limits=InputLimits(
            max_frames=settings.max_sequence_frames,
            max_chunk_frames=settings.max_chunk_frames,
            allow_non_finite=settings.allow_non_finite,
            idle_seconds=settings.session_idle_seconds,
        ),
        observers=observers,
    )


def make_skew(settings: Settings, metrics: SkewMetrics, failures: Failures) -> SkewWatch:
    """Put together what probes normalisers; a context."""
    policy = SkewPolicy(
        ratio=settings.skew_probe_ratio,
        half_life_seconds=settings.skew_half_life_seconds,
        keep_sequences=settings.skew_keep_sequences,
        max_kept_bytes=settings.skew_keep_bytes,
        core_ratio=settings.skew_core_ratio,
    )
    return SkewWatch(policy, metrics, failures)


@contextmanager
def make_feedback(settings: Settings, metrics: FeedbackMetrics, failures: Failures) -> Iterator[Feedback | None]:
    """Put together what keeps answers and takes labels; None where the operator wants no log.

    Raises:
        OSError: its file can't be opened.

    """
    if settings.prediction_log is None:
        yield None
        return
    policy = LogPolicy(
        path=settings.prediction_log,
        flush_seconds=settings.prediction_log_flush_seconds,
        max_queued=settings.prediction_log_max_queued_rows,
        max_age_seconds=settings.prediction_log_max_age_seconds,
        max_rows=settings.prediction_log_max_rows,
        windows=parse_windows(settings.accuracy_windows),
    )
    with feedback(policy, metrics, failures, refresh_seconds=settings.accuracy_refresh_seconds) as context:
        yield context


def make_shadows(
    settings: Settings, loading: Loading, metrics: ShadowMetrics, failures: Failures, observers: Sequence[Observer]
) -> Shadows:
    """Put together what runs copies for a shadow; a context."""
    policy = ShadowPolicy(piece_frames=settings.max_batch_frames, core_ratio=settings.shadow_core_ratio)
    return Shadows(policy, loading.repository.shadow_of, metrics, failures, observers=observers)


def make_oip_context(settings: Settings, serving: Serving, loading: Loading, health: Health) -> OipContext:
    """Put together what handlers of the Open Inference Protocol work with."""
    return OipContext(
        serving=serving,
        sequences=Sequences(serving.sessions, idle_seconds=settings.session_idle_seconds),
        manager=loading.manager,
        health=health,
        max_rows=settings.max_batch_size,
    )


class _GuardedRunObserver:
    def __init__(self, observe: RunObserver, failures: Failures) -> None:
        self.ran = failures.guard(Worker.LIVE_CHECK, observe.ran)


def _guarded(observe_runs: ObserveRuns, failures: Failures) -> ObserveRuns:
    observe_runs = failures.guard(Worker.LIVE_CHECK, observe_runs)

    def guarded(servable: Servable, row: Row) -> RunObserver | None:
        observe = observe_runs(servable, row)
        return None if observe is None else _GuardedRunObserver(observe, failures)

    return guarded
