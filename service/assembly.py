"""How a server's parts are put together from its settings; here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from service.batcher import Batcher, BatchLimits
from service.comparison import Comparisons
from service.feedback import Feedback, feedback
from service.feedback.policy import LogPolicy, parse_windows
from service.handlers.serving import InputLimits, Serving
from service.oip.parts import Parts
from service.oip.sequences import Sequences
from service.sessions import Sessions
from service.shadow import ShadowPolicy, Shadows
from service.skew.watch import SkewPolicy, SkewWatch
from service.statistics import Statistics
from service.transport.admission import CallLimits
from service.transport.grpc_server import ConnectionLimits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from service.background import Failures
    from service.batcher.witness import Summon, Witness
    from service.engine.runner import Row
    from service.engine.servable import Servable
    from service.health import Health
    from service.live_check import LiveCheck
    from service.loading import Loading
    from service.metrics import Metrics
    from service.prediction import Observer
    from service.settings import Settings
    from service.uses import Uses


def call_limits(settings: Settings) -> CallLimits:
    """Return what callers may take of the server."""
    return CallLimits(
        max_message_bytes=settings.max_message_bytes,
        idle_seconds=settings.idle_seconds,
        max_calls=settings.max_concurrent_calls,
        max_bytes=settings.max_inflight_bytes,
        max_connection_bytes=settings.max_connection_inflight_bytes,
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """Return what a connection may do, and how long it may do nothing."""
    return ConnectionLimits(
        max_message_bytes=settings.max_message_bytes,
        min_ping_interval_seconds=settings.min_ping_interval_seconds,
        keepalive_seconds=settings.keepalive_seconds,
        keepalive_timeout_seconds=settings.keepalive_timeout_seconds,
        connection_idle_seconds=settings.connection_idle_seconds,
        handshake_seconds=settings.handshake_seconds,
        max_connections=settings.max_connections,
        max_connection_calls=settings.max_connection_calls,
    )


def make_serving(
    settings: Settings,
    loading: Loading,
    uses: Uses,
    engine: Executor,
    comparer: Executor,
    decoder: Executor,
    check: LiveCheck,
    shadows: Shadows,
    health: Health,
    metrics: Metrics,
    failures: Failures,
    observers: Sequence[Observer],
) -> Serving:
    """Put together what handlers of our own API work with; `observers` don't raise (Failures.guard)."""
    statistics = Statistics(loading.repository.is_listed)
    loading.on_forgotten = lambda entry: statistics.forget(entry.name, entry.version)
    # The batcher sees only what doesn't raise: an answer that is there isn't lost to those who watch it.
    summon, on_run = _guarded(check.witness, failures), failures.guard("statistics", statistics.ran)
    limits = BatchLimits(
        workers=settings.workers,
        max_batch_size=settings.max_batch_size,
        max_batch_frames=settings.max_batch_frames,
        max_slice_frames=settings.max_slice_frames,
        max_queued=settings.max_queued,
    )
    return Serving(
        repository=loading.repository,
        sessions=Sessions(
            max_sessions=settings.max_sessions, max_state_bytes=settings.max_state_bytes, metrics=metrics, uses=uses
        ),
        batcher=Batcher(
            engine,
            limits,
            metrics,
            summon=summon,
            on_run=on_run,
            on_stuck=lambda stuck: health.report("workers", "no run ends any more" if stuck else ""),
        ),
        comparisons=Comparisons(comparer, max_comparisons=settings.max_comparisons),
        shadows=shadows,
        metrics=metrics,
        statistics=statistics,
        decoder=decoder,
        limits=InputLimits(
            max_frames=settings.max_frames,
            max_chunk_frames=settings.max_chunk_frames,
            allow_non_finite=settings.allow_non_finite,
            idle_seconds=settings.idle_seconds,
        ),
        observers=observers,
    )


def make_skew(settings: Settings, metrics: Metrics, failures: Failures) -> SkewWatch:
    """Put together what probes normalisers; a context."""
    policy = SkewPolicy(
        ratio=settings.skew_probe_ratio,
        half_life_seconds=settings.skew_half_life_seconds,
        keep_sequences=settings.skew_keep_sequences,
        max_kept_bytes=settings.skew_keep_bytes,
        core_ratio=settings.skew_core_ratio,
    )
    return SkewWatch(policy, metrics.norms, failures)


@contextmanager
def make_feedback(settings: Settings, metrics: Metrics, failures: Failures) -> Iterator[Feedback | None]:
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
        max_queued=settings.prediction_log_max_queued,
        max_age_seconds=settings.prediction_log_max_age_seconds,
        max_rows=settings.prediction_log_max_rows,
        windows=parse_windows(settings.accuracy_windows),
    )
    with feedback(policy, metrics, failures, refresh_seconds=settings.accuracy_refresh_seconds) as parts:
        yield parts


def make_shadows(
    settings: Settings, loading: Loading, metrics: Metrics, failures: Failures, observers: Sequence[Observer]
) -> Shadows:
    """Put together what runs copies for a shadow; a context."""
    policy = ShadowPolicy(piece_frames=settings.max_batch_frames, core_ratio=settings.shadow_core_ratio)
    return Shadows(policy, loading.repository.shadow_of, metrics, failures, observers=observers)


def make_parts(settings: Settings, serving: Serving, loading: Loading, health: Health) -> Parts:
    """Put together what handlers of the Open Inference Protocol work with."""
    return Parts(
        serving=serving,
        sequences=Sequences(serving.sessions, idle_seconds=settings.idle_seconds),
        keeper=loading.keeper,
        health=health,
        max_rows=settings.max_batch_size,
    )


class _GuardedWitness:
    def __init__(self, witness: Witness, failures: Failures) -> None:
        self.ran = failures.guard("live-check", witness.ran)


def _guarded(summon: Summon, failures: Failures) -> Summon:
    summon = failures.guard("live-check", summon)

    def guarded(servable: Servable, row: Row) -> Witness | None:
        witness = summon(servable, row)
        return None if witness is None else _GuardedWitness(witness, failures)

    return guarded
