"""How a server's parts are put together from its settings; here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from service.api.oip.context import OipContext
from service.api.oip.sequences import Sequences
from service.app.member import operations, others
from service.app.model_repository import Loading
from service.app.resuming import Resuming, resuming
from service.app.storing import Storing, storing
from service.comparison import Comparisons
from service.core.failures import Worker
from service.observers.feedback.policy import LogPolicy, parse_windows
from service.observers.live_check import live_check
from service.observers.shadow import ShadowPolicy, Shadows
from service.observers.skew.watch import SkewPolicy, SkewWatch
from service.repository.refcounts import Refcounts
from service.serving.batcher import Batcher, BatchLimits
from service.serving.inference import InputLimits, Serving
from service.serving.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from service.app.member import Member
    from service.app.metrics import Metrics
    from service.app.settings import Settings
    from service.core.failures import Failures
    from service.core.health import Health
    from service.engine.row import Row
    from service.loading.servable import Servable
    from service.loading.trials import Trials
    from service.observers.feedback.parts import Feedback
    from service.observers.live_check import LiveCheck
    from service.serving.batcher.job import ObserveRuns, RunObserver
    from service.serving.prediction import Observer


@dataclass(frozen=True, kw_only=True)
class Base:
    """What every part of one process is made with.

    `trials` is None if files are loaded without, `member` if the server has no other process.
    """

    settings: Settings
    metrics: Metrics
    health: Health
    failures: Failures
    trials: Trials | None
    member: Member | None = None


@dataclass(frozen=True, kw_only=True)
class Executors:
    """Threads on which models run, comparisons run, and large messages are converted."""

    engine: Executor
    comparison: Executor
    decoder: Executor


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of one server behind its handlers."""

    models: Loading
    serving: Serving
    oip: OipContext
    comparisons: Comparisons
    feedback: Feedback | None
    skew: SkewWatch
    resuming: Resuming | None = None
    storing: Storing | None = None

    def end_streams(self) -> None:
        """End the streams that can be continued elsewhere, each with its token."""
        if self.resuming is not None:
            self.resuming.resumption.end_streams()


@contextmanager
def assembled(base: Base, executors: Executors) -> Iterator[Parts]:
    """Yield the parts; when the block ends, so do the observers, which write what they hold.

    Raises:
        OSError: a file or folder of the settings can't be used.

    """
    settings, metrics, failures = base.settings, base.metrics, base.failures
    refcounts = Refcounts()
    models = Loading(settings, base.health, metrics.versions, refcounts, base.trials)
    models.on_failure = partial(failures.note, Worker.REPOSITORY, event="repository not followed")
    metrics.recorder.is_listed = models.repository.is_listed
    with ExitStack() as stack:
        check = stack.enter_context(
            live_check(
                settings.live_check_ratio,
                settings.repro_bundle_dir,
                settings.max_batch_frames,
                metrics.live_check,
                failures,
            )
        )
        log = stack.enter_context(_feedback(base))
        skew = stack.enter_context(_skew(base))
        # Observers of the shadow's own answers are called on its thread.
        shadowed = [log.log.shadowed, skew.observe] if log else [skew.observe]
        shadows = stack.enter_context(_shadows(base, models, shadowed))
        observers: list[tuple[Worker, Observer]] = [(Worker.SHADOW, shadows.observe)]
        if log is not None:
            observers.append((Worker.PREDICTION_LOG, log.log.answered))
        observers.append((Worker.SKEW, skew.observe))
        resumed = resuming(settings, metrics)
        serving = Serving(
            repository=models.repository,
            sessions=Sessions(
                max_sessions=settings.max_sessions,
                max_sessions_per_client=settings.max_sessions_per_client,
                max_state_bytes=settings.max_state_bytes,
                max_state_bytes_per_client=settings.max_state_bytes_per_client,
                metrics=metrics.sessions,
                refcounts=refcounts,
                evict_after_idle_seconds=settings.evict_after_idle_seconds,
            ),
            batcher=_batcher(base, executors.engine, check),
            recorder=metrics.recorder,
            decoder=executors.decoder,
            limits=_input_limits(settings),
            observers=[failures.guard_all(observers)],
            needs_states=skew.samples,
            resumption=None if resumed is None else resumed.resumption,
        )
        models.on_gone = serving.batcher.forget
        stored = storing(settings, metrics, None if resumed is None else resumed.keys)
        yield Parts(
            models=models,
            serving=serving,
            oip=_oip_context(base, serving, models, stored),
            comparisons=Comparisons(executors.comparison, max_comparisons=settings.max_concurrent_comparisons),
            feedback=log,
            skew=skew,
            resuming=resumed,
            storing=stored,
        )


def _batcher(base: Base, engine: Executor, check: LiveCheck) -> Batcher:
    settings, failures, health = base.settings, base.failures, base.health
    limits = BatchLimits(
        workers=settings.workers,
        max_batch_size=settings.max_batch_size,
        max_batch_frames=settings.max_batch_frames,
        max_slice_frames=settings.max_slice_frames,
        max_slice_seconds=settings.max_slice_seconds,
        max_queued=settings.max_queued_requests,
        max_inline_seconds=settings.max_inline_seconds,
        max_gather_seconds=settings.max_gather_seconds,
    )
    return Batcher(
        engine,
        limits,
        # The batcher sees only what doesn't raise: an answer isn't lost to those who observe it.
        observe_runs=_guarded(check.observe, failures),
        on_run=failures.guard(Worker.STATISTICS, base.metrics.recorder.ran),
        on_stuck=lambda stuck: health.report("workers", "no run ends any more" if stuck else ""),
    )


def _input_limits(settings: Settings) -> InputLimits:
    return InputLimits(
        max_frames=settings.max_sequence_frames,
        max_chunk_frames=settings.max_chunk_frames,
        allow_non_finite=settings.allow_non_finite,
        idle_seconds=settings.session_idle_seconds,
        max_joined_chunks=settings.max_joined_chunks,
        max_joined_frames=settings.max_slice_frames,
    )


def _skew(base: Base) -> SkewWatch:
    settings = base.settings
    policy = SkewPolicy(
        ratio=settings.skew_probe_ratio,
        half_life_seconds=settings.skew_half_life_seconds,
        keep_sequences=settings.skew_keep_sequences,
        max_kept_bytes=settings.skew_keep_bytes,
        core_ratio=settings.skew_core_ratio,
    )
    return SkewWatch(policy, base.metrics.skew, base.metrics.trust, base.failures)


@contextmanager
def _feedback(base: Base) -> Iterator[Feedback | None]:
    settings = base.settings
    if settings.prediction_log is None:
        yield None
        return
    from service.observers.feedback.parts import feedback  # SQLite, for those who asked for it

    policy = LogPolicy(
        path=settings.prediction_log,
        flush_seconds=settings.prediction_log_flush_seconds,
        max_queued=settings.prediction_log_max_queued_rows,
        max_age_seconds=settings.prediction_log_max_age_seconds,
        max_rows=settings.prediction_log_max_rows,
        max_labels_per_client=settings.prediction_log_max_labels_per_client,
        windows=parse_windows(settings.accuracy_windows),
    )
    refresh_seconds = settings.accuracy_refresh_seconds
    with feedback(policy, base.metrics.feedback, base.failures, refresh_seconds=refresh_seconds) as parts:
        yield parts


def _shadows(base: Base, models: Loading, observers: Sequence[Observer]) -> Shadows:
    settings = base.settings
    policy = ShadowPolicy(piece_frames=settings.max_batch_frames, core_ratio=settings.shadow_core_ratio)
    return Shadows(policy, models.repository.shadow_of, base.metrics.shadow, base.failures, observers=observers)


def _oip_context(base: Base, serving: Serving, models: Loading, stored: Storing | None) -> OipContext:
    sequences = Sequences(serving.sessions, idle_seconds=base.settings.session_idle_seconds)
    return OipContext(
        serving=serving,
        sequences=sequences,
        stored=None if stored is None else stored.sequences(serving, sequences),
        manager=operations(models.manager, base.member),
        health=base.health,
        max_rows=base.settings.max_batch_size,
        others=others(base.member),
    )


class _GuardedRunObserver:
    def __init__(self, observe: RunObserver, failures: Failures) -> None:
        self.ran = failures.guard(Worker.LIVE_CHECK, observe.ran)


def _guarded(observe_runs: ObserveRuns, failures: Failures) -> ObserveRuns:
    def guarded(servable: Servable, row: Row) -> RunObserver | None:
        try:
            observe = observe_runs(servable, row)
        except Exception as error:
            failures.note(Worker.LIVE_CHECK, error)
            return None
        return None if observe is None else _GuardedRunObserver(observe, failures)

    return guarded
