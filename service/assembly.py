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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from service.health import Health
    from service.live_check import LiveCheck
    from service.loading import Loading
    from service.metrics import Metrics
    from service.prediction import Observer
    from service.settings import Settings
    from service.uses import Uses


def make_serving(
    settings: Settings,
    loading: Loading,
    uses: Uses,
    engine: Executor,
    comparer: Executor,
    check: LiveCheck,
    shadows: Shadows,
    metrics: Metrics,
    observers: Sequence[Observer],
) -> Serving:
    """Put together what handlers of our own API work with."""
    statistics = Statistics(loading.repository.is_listed)
    loading.on_forgotten = lambda entry: statistics.forget(entry.name, entry.version)
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
        batcher=Batcher(engine, limits, metrics, summon=check.witness, on_run=statistics.ran),
        comparisons=Comparisons(comparer, max_comparisons=settings.max_comparisons),
        shadows=shadows,
        metrics=metrics,
        statistics=statistics,
        limits=InputLimits(
            max_frames=settings.max_frames,
            max_chunk_frames=settings.max_chunk_frames,
            allow_non_finite=settings.allow_non_finite,
            idle_seconds=settings.idle_seconds,
        ),
        observers=observers,
    )


def make_skew(settings: Settings, metrics: Metrics) -> SkewWatch:
    """Put together what probes normalisers; a context."""
    policy = SkewPolicy(
        ratio=settings.skew_probe_ratio,
        half_life_seconds=settings.skew_half_life_seconds,
        keep_sequences=settings.skew_keep_sequences,
        max_kept_bytes=settings.skew_keep_bytes,
        core_ratio=settings.skew_core_ratio,
    )
    return SkewWatch(policy, metrics.norms)


@contextmanager
def make_feedback(settings: Settings, metrics: Metrics) -> Iterator[Feedback | None]:
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
    with feedback(policy, metrics, refresh_seconds=settings.accuracy_refresh_seconds) as parts:
        yield parts


def make_shadows(settings: Settings, loading: Loading, metrics: Metrics, observers: Sequence[Observer]) -> Shadows:
    """Put together what runs copies for a shadow; a context."""
    policy = ShadowPolicy(piece_frames=settings.max_batch_frames, core_ratio=settings.shadow_core_ratio)
    return Shadows(policy, loading.repository.shadow_of, metrics, observers=observers)


def make_parts(settings: Settings, serving: Serving, loading: Loading, health: Health) -> Parts:
    """Put together what handlers of the Open Inference Protocol work with."""
    return Parts(
        serving=serving,
        sequences=Sequences(serving.sessions, idle_seconds=settings.idle_seconds),
        keeper=loading.keeper,
        health=health,
        max_rows=settings.max_batch_size,
    )
