"""The skew watch: which sequences are sampled, and the pools of their sums: of normalisers' inputs, and of frames."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

import structlog

from service.core.failures import Worker
from service.observers.background_worker import BackgroundWorker
from service.observers.skew.inputs import input_probe, input_sums
from service.observers.skew.metrics import ProbeOutcome
from service.observers.skew.pool import Pool
from service.observers.skew.sample_buffer import SampleBuffer
from service.observers.skew.trust import Trust, trust_of
from soloist.v1.model_pb2 import Probe

if TYPE_CHECKING:
    from types import TracebackType

    from service.core.failures import Failures
    from service.loading.servable import Servable
    from service.observers.skew.metrics import SkewMetrics
    from service.observers.skew.trust_metrics import TrustMetrics
    from service.serving.prediction import Prediction

_DIGEST_BYTES = 8
_RANGE = float(2 ** (8 * _DIGEST_BYTES))
_log = structlog.get_logger("soloist.skew")
_WORKER = Worker.SKEW


def is_sampled(sequence_id: str, ratio: float) -> bool:
    """Return whether a sequence belongs to the share `ratio` (0 to 1) to probe; the same on every server."""
    digest = blake2b(sequence_id.encode(), digest_size=_DIGEST_BYTES, person=b"norm skew").digest()
    return int.from_bytes(digest) / _RANGE < ratio


def is_compared(servable: Servable) -> bool:
    """Return whether there is anything to compare a version's traffic with, or to show of it."""
    return servable.probe is not None or servable.manifest.HasField("input_reference")


@dataclass(frozen=True, kw_only=True)
class SkewPolicy:
    """What is probed and stored, and at what cost.

    The share of sequences to probe; the time after which one counts half; sequences whose frames are stored for each
    version, and bytes of them; answers that wait, and bytes of each; the share of one core for probing.
    """

    ratio: float
    half_life_seconds: float
    keep_sequences: int = 0
    max_kept_bytes: int = 64 * 2**20
    max_queued: int = 64
    max_step_bytes: int = 4 * 2**20
    core_ratio: float = 0.1


class Watched:
    """The state of one version: its pools, and its sample buffer. `inputs` is None if there is no reference."""

    def __init__(self, servable: Servable, policy: SkewPolicy, clock: Callable[[], float]) -> None:
        probe = servable.manifest.probe if servable.probe is not None else Probe()
        inputs = input_probe(servable.manifest)
        self.pool = Pool(probe, half_life_seconds=policy.half_life_seconds, clock=clock)
        self.inputs = inputs and Pool(inputs, half_life_seconds=policy.half_life_seconds, clock=clock)
        self.kept = SampleBuffer(max_sequences=policy.keep_sequences, max_bytes=policy.max_kept_bytes)
        self._compares_norms = any(each.HasField("reference") for each in probe.layers)

    def trust(self) -> Trust:
        """Return whether the confidence of the version can be trusted."""
        norms = self.pool.read() if self._compares_norms else None
        return trust_of(self.inputs.read() if self.inputs is not None else None, norms)


class SkewWatch:
    """The skew watch, started and stopped as a context. `observe` may be called on any thread."""

    def __init__(
        self,
        policy: SkewPolicy,
        metrics: SkewMetrics,
        trust_metrics: TrustMetrics,
        failures: Failures,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a watch that isn't started.

        Args:
            policy: its settings.
            metrics: where figures and outcomes are shown.
            trust_metrics: where it is shown whether confidence can be trusted.
            failures: where failures are counted.
            clock: returns seconds; sequences fade by it.

        """
        self.policy = policy
        self._metrics = metrics
        self._trust_metrics = trust_metrics
        self._failures = failures
        self._clock = clock
        # The state of a version goes when it is unloaded; if it is loaded again, it starts anew.
        self._watched: weakref.WeakKeyDictionary[Servable, Watched] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self._worker: BackgroundWorker[Prediction] = BackgroundWorker(
            _WORKER, self._probe, self._drop, failures, max_queued=policy.max_queued, core_ratio=policy.core_ratio
        )

    def __enter__(self) -> Self:
        if self.policy.ratio:
            self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)

    def observe(self, prediction: Prediction) -> None:
        """Copy an answer if its sequence is sampled and its version can be compared (prediction.Observer)."""
        if not (is_compared(prediction.servable) and self._is_drawn(prediction.sequence_id)):
            return
        states = sum(state.nbytes for state in prediction.row.states.values())
        is_small = prediction.row.frames.nbytes + states <= self.policy.max_step_bytes
        if not (is_small and self._worker.offer(prediction)):
            self._drop(prediction)

    def samples(self, servable: Servable, sequence_id: str) -> bool:
        """Return whether a sequence is probed, by its id; for that the states before each of its answers are needed."""
        return servable.probe is not None and self._is_drawn(sequence_id)

    def _is_drawn(self, sequence_id: str) -> bool:
        return self.policy.ratio > 0 and is_sampled(sequence_id, self.policy.ratio)

    def watched(self, servable: Servable) -> Watched:
        """Return the state of a version."""
        with self._lock:
            found = self._watched.get(servable)
            if found is None:
                found = self._watched[servable] = Watched(servable, self.policy, self._clock)
            return found

    def settle(self) -> None:
        """Wait until all answers are probed or dropped. Blocks."""
        self._worker.settle()

    def _probe(self, given: Prediction) -> None:
        self._count(given, self._outcome(given))

    def _drop(self, given: Prediction) -> None:
        self._count(given, ProbeOutcome.DROPPED)

    def _outcome(self, given: Prediction) -> ProbeOutcome:
        servable = given.servable
        watched = self.watched(servable)
        try:
            is_pooled = _pool_frames(watched, given) and self._pool_layers(watched, given)
            self._trust_metrics.show(servable.name, servable.version, watched.trust())
        except Exception as error:  # sums or figures that don't fit the layers
            self._failures.note(_WORKER, error, model=servable.name, version=servable.version)
            return ProbeOutcome.FAILED
        return ProbeOutcome.PROBED if is_pooled else ProbeOutcome.FAILED

    def _pool_layers(self, watched: Watched, given: Prediction) -> bool:
        servable, frames = given.servable, given.row.frames
        try:
            sums = servable.probe.run(frames[None], [len(frames)], given.row.states) if servable.probe else {}
        except Exception:  # ONNX Runtime has many error classes, which share no base
            _log.exception("probe failed", model=servable.name, version=servable.version)
            return False
        if not watched.pool.add(given.sequence_id, len(frames), sums):
            return False
        if servable.probe is not None:  # of others nothing is listed
            watched.kept.add(given, now=time.time())
        self._metrics.show(servable.name, servable.version, watched.pool.read())
        return True

    def _count(self, given: Prediction, outcome: ProbeOutcome) -> None:
        self._metrics.count(given.servable.name, given.servable.version, outcome)


def _pool_frames(watched: Watched, given: Prediction) -> bool:
    if watched.inputs is None:
        return True
    frames = given.row.frames
    return watched.inputs.add(given.sequence_id, len(frames), input_sums(frames, given.servable.manifest))
