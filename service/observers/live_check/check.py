"""The live check: which answers are run again alone, what is compared, counted and stored."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import structlog
from google.protobuf import json_format

from service.certificate import fingerprint_here
from service.core.failures import Worker
from service.observers.background_worker import BackgroundWorker
from service.observers.live_check.metrics import CheckOutcome
from service.observers.live_check.repro_bundle import Header, ReproBundle, pack
from service.observers.live_check.rerun import alone, worst_difference
from service.observers.live_check.run_trace import CheckTask, RunTrace

if TYPE_CHECKING:
    from types import TracebackType

    from service.certificate.difference import Difference
    from service.core.failures import Failures
    from service.engine.runner import Row, RowResult
    from service.loading.servable import Servable
    from service.observers.live_check.metrics import LiveCheckMetrics
    from service.observers.live_check.repro_bundle import ReproBundleFolder

_log = structlog.get_logger("soloist.live_check")
_WORKER = Worker.LIVE_CHECK


class Inspector:
    """The inspection of one answer. It blocks while the model runs, and never raises."""

    def __init__(self, bundles: ReproBundleFolder | None, *, piece_frames: int) -> None:
        self._bundles = bundles
        self._piece_frames = piece_frames

    def inspect(self, task: CheckTask) -> CheckOutcome:
        """Check one answer: DROPPED if its version is gone, FAILED if it can't be run alone."""
        servable = task.servable()
        if servable is None:
            return CheckOutcome.DROPPED
        try:
            return self._compare(servable, task)
        except Exception:  # ONNX Runtime has many error classes, which share no base
            _log.exception("live check failed", model=task.model, version=task.version)
            return CheckOutcome.FAILED

    def _compare(self, servable: Servable, task: CheckTask) -> CheckOutcome:
        # A model that may not be cut is run as before: whole.
        whole = len(task.row.frames)
        piece_frames = servable.slice_frames(self._piece_frames) if servable.sliced else whole
        if task.row.joined_frames:  # as they would have run one by one, if all are as long as the first
            piece_frames = min(piece_frames, task.row.joined_frames)
        result = alone(servable.runner, task.row, piece_frames=piece_frames)
        worst = worst_difference(servable.manifest.signature.outputs.name, result, task.given)
        if worst is None:
            return CheckOutcome.EQUAL
        self._report(task, worst, self._keep(servable, task, result, piece_frames))
        return CheckOutcome.DIFFERENT

    def _report(self, task: CheckTask, worst: Difference, bundle: str) -> None:
        _log.error(
            "answer differs from the same frames alone",
            model=task.model,
            version=task.version,
            tensor=worst.tensor,
            ulp=worst.ulp,
            max_abs_difference=worst.absolute,
            frame_count=len(task.row.frames),
            batch_sizes=[len(run.lengths) for run in task.runs],
            bundle=bundle,
        )

    def _keep(self, servable: Servable, task: CheckTask, result: RowResult, piece_frames: int) -> str:
        """Write a repro bundle, and return its path, or why there is none."""
        if self._bundles is None:
            return "none: repro_bundle_dir is not set"
        header = Header(
            time=datetime.now(UTC).isoformat(),
            model=task.model,
            version=task.version,
            model_sha256=servable.sha256,
            fingerprint=json_format.MessageToDict(fingerprint_here(), preserving_proto_field_name=True),
            states=list(task.row.states),
            runs=list(task.runs),
            piece_frames=piece_frames,
        )
        content = pack(ReproBundle(header=header, row=task.row, given=task.given, alone=result))
        try:
            written = self._bundles.put(content)
        except OSError as error:
            return f"none: {error.strerror}"
        return str(written) if written is not None else "none: repro_bundle_dir is full"


@dataclass(frozen=True, kw_only=True)
class LiveCheckPolicy:
    """The share of answers to check; answers that wait, and bytes of each; the share of one core for it."""

    ratio: float
    max_queued: int = 16
    max_check_bytes: int = 4 * 2**20
    core_ratio: float = 0.1


class LiveCheck:
    """The live check, started and stopped as a context. `observe` is called on the event loop and never waits."""

    def __init__(
        self,
        policy: LiveCheckPolicy,
        inspector: Inspector,
        metrics: LiveCheckMetrics,
        failures: Failures,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Create a live check that isn't started.

        Args:
            policy: its settings.
            inspector: checks one answer.
            metrics: where outcomes are counted.
            failures: where failures other than the model's are counted.
            draw: returns a random number in [0, 1) for every answer.

        """
        self._policy = policy
        self._inspector = inspector
        self._metrics = metrics
        self._draw = draw
        self._submit = failures.guard(_WORKER, self._hand_over)
        self._worker: BackgroundWorker[CheckTask] = BackgroundWorker(
            _WORKER, self._check, self._drop, failures, max_queued=policy.max_queued, core_ratio=policy.core_ratio
        )

    def __enter__(self) -> Self:
        if self._policy.ratio:
            self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)

    def observe(self, servable: Servable, row: Row) -> RunTrace | None:
        """Return the run trace of a job if it is to be checked (service.serving.batcher.job.ObserveRuns)."""
        # A repro bundle holds frames and states, but no other inputs of callers and nothing that changes from run to
        # run.
        may_differ = (servable.batched or servable.sliced) and not servable.has_auxiliary_inputs
        return RunTrace(servable, row, self._submit) if may_differ and self._draw() < self._policy.ratio else None

    def settle(self) -> None:
        """Wait until all answers are checked or dropped. Blocks."""
        self._worker.settle()

    def _hand_over(self, task: CheckTask) -> None:
        if task.byte_count > self._policy.max_check_bytes or not self._worker.offer(task):
            self._drop(task)

    def _check(self, task: CheckTask) -> None:
        self._count(task, self._inspector.inspect(task))

    def _drop(self, task: CheckTask) -> None:
        self._count(task, CheckOutcome.DROPPED)

    def _count(self, task: CheckTask, outcome: CheckOutcome) -> None:
        self._metrics.checks.labels(task.model, str(task.version), outcome).inc()
