"""The shadow: a version on trial gets copies of another's traffic, and disagreements are counted."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import structlog

from service.certificate.difference import same_bits
from service.core.failures import Worker
from service.observers.background_worker import BackgroundWorker
from service.observers.live_check.rerun import alone
from service.observers.shadow_metrics import ShadowOutcome

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from service.core.failures import Failures
    from service.loading.servable import Servable
    from service.observers.shadow_metrics import ShadowMetrics
    from service.serving.prediction import Observer, Prediction
    from service.serving.session import Session

__all__ = ["ShadowPolicy", "ShadowSequence", "Shadows"]
_log = structlog.get_logger("soloist.shadow")
_WORKER = Worker.SHADOW


class ShadowSequence:
    """A sequence on the shadow. It starts from the shadow's zero state, and runs step by step on the worker's thread.

    After a missing step the states would be those of another sequence, so the first step that is dropped or fails is
    the last. The version is held by a weak reference: if it is unloaded, the sequence ends.
    """

    def __init__(self, answering: Servable, shadow: Servable, *, piece_frames: int) -> None:
        """Begin a sequence.

        Args:
            answering: the version that answers.
            shadow: the version that gets copies.
            piece_frames: the most frames of a run, if the shadow may be cut.

        """
        self.labels = (answering.name, str(answering.version), str(shadow.version))
        # Written on the event loop; the worker knows by its state whether it has ended.
        self.is_over = False
        self._shadow = weakref.ref(shadow)
        self._states: dict[str, Any] | None = shadow.runner.initial_states()
        self._piece_frames = piece_frames

    def run(self, given: Prediction) -> tuple[ShadowOutcome, Prediction | None]:
        """Run the frames of the next answer; return the outcome, and the shadow's answer with the same id.

        There is no answer if the step is dropped.

        Raises:
            Exception: any error of ONNX Runtime; the sequence is over.

        """
        shadow, states, self._states = self._shadow(), self._states, None
        if shadow is None or states is None:
            return ShadowOutcome.DROPPED, None
        row = replace(given.row, states=states)
        piece_frames = self._piece_frames if shadow.sliced else len(row.frames)
        result = alone(shadow.runner, row, piece_frames=piece_frames)
        self._states = result.states
        outputs = _last(result.outputs, len(given.outputs))
        found = replace(given, servable=shadow, row=row, outputs=outputs, batch_size=1)
        return compare(given.outputs, outputs), found


def compare(given: NDArray[Any], found: NDArray[Any]) -> ShadowOutcome:
    """Compare the outputs [T, K] or [1, K] that a caller got with those at every frame, [T, K].

    The class is that of the last frame: the largest output, the first of equals. One output per frame, [T, 1] or [T],
    has no class.
    """
    found = _last(found, len(given))
    if given.shape != found.shape or given.dtype != found.dtype:
        return ShadowOutcome.FAILED
    if same_bits(given, found):
        return ShadowOutcome.EQUAL_BITS
    if given.ndim == 1 or given[-1].size == 1:
        return ShadowOutcome.DIFFERENT_VALUES
    is_same = given[-1].argmax() == found[-1].argmax()
    return ShadowOutcome.SAME_CLASS if is_same else ShadowOutcome.DIFFERENT_CLASS


def _last(outputs: NDArray[Any], count: int) -> NDArray[Any]:
    # A third-party model may have no output for some frames.
    return outputs[-count:] if count else outputs


@dataclass(frozen=True, kw_only=True)
class ShadowPolicy:
    """The frames of a run; steps that wait, and bytes of each; the share of one core for runs."""

    piece_frames: int
    max_queued: int = 256
    max_step_bytes: int = 2**20
    core_ratio: float = 0.5


class _Step(NamedTuple):
    sequence: ShadowSequence
    given: Prediction

    @property
    def byte_count(self) -> int:
        row = self.given.row
        sent = (row.frames, *row.auxiliary.inputs.values(), *row.auxiliary.frame_inputs.values())
        return sum(array.nbytes for array in sent) + self.given.outputs.nbytes


class Shadows:
    """The shadows, started and stopped as a context. Observes answers on the event loop."""

    def __init__(
        self,
        policy: ShadowPolicy,
        shadow_of: Callable[[Servable], Servable | None],
        metrics: ShadowMetrics,
        failures: Failures,
        *,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Create it without sequences.

        Args:
            policy: its settings.
            shadow_of: returns the version that gets copies of another's traffic, or None.
            metrics: where outcomes are counted.
            failures: where failures are counted.
            observers: called with every answer of a shadow, on its thread.

        """
        self._policy = policy
        self._shadow_of = shadow_of
        self._metrics = metrics
        self._failures = failures
        self._sequences: WeakKeyDictionary[Session, ShadowSequence] = WeakKeyDictionary()
        self._observers = [failures.guard(_WORKER, observe) for observe in observers]
        self._worker: BackgroundWorker[_Step] = BackgroundWorker(
            _WORKER, self._run, self._drop, failures, max_queued=policy.max_queued, core_ratio=policy.core_ratio
        )

    def __enter__(self) -> Self:
        self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)

    def observe(self, given: Prediction) -> None:
        """Copy an answer to a whole sequence, or to the next chunk of one that began here, to the shadow."""
        session = given.session() if given.session is not None else None
        if given.is_whole:
            self.whole(given)
        elif session is not None:
            if not given.first_frame and session.from_initial_state:
                sequence = self.begin(given.servable)
                if sequence is not None:
                    self._sequences[session] = sequence
            self.step(self._sequences.get(session), given)

    def begin(self, servable: Servable, *, whole: bool = False) -> ShadowSequence | None:
        """Begin a sequence on the shadow of a version that answers one; None if there is no shadow.

        `whole`: it comes in one step, which a shadow that sees future frames needs.
        """
        try:
            shadow = self._shadow_of(servable)
            if shadow is None:
                return None
            sequence = ShadowSequence(servable, shadow, piece_frames=self._policy.piece_frames)
            sequence.is_over = not (whole or shadow.manifest.causal)
        except Exception as error:  # the caller's sequence goes on without a shadow
            self._failures.note(_WORKER, error)
            return None
        return sequence

    def step(self, sequence: ShadowSequence | None, given: Prediction) -> None:
        """Copy the next answer of a sequence to its shadow."""
        if sequence is None:
            return
        try:
            self._step(sequence, given)
        except Exception as error:  # the caller must not notice
            sequence.is_over = True
            self._failures.note(_WORKER, error)

    def whole(self, given: Prediction) -> None:
        """Copy the answer to a whole sequence to the shadow."""
        self.step(self.begin(given.servable, whole=True), given)

    def settle(self) -> None:
        """Wait until all steps have run or were dropped. Blocks."""
        self._worker.settle()

    def _step(self, sequence: ShadowSequence, given: Prediction) -> None:
        if not sequence.is_over and not self._put(_Step(sequence, given)):
            sequence.is_over = True
            _log.info("shadow behind", model=sequence.labels[0], shadow=sequence.labels[2])
        elif not sequence.is_over:
            return
        self._count(sequence, ShadowOutcome.DROPPED)

    def _put(self, step: _Step) -> bool:
        return step.byte_count <= self._policy.max_step_bytes and self._worker.offer(step)

    def _run(self, step: _Step) -> None:
        self._count(step.sequence, self._outcome(step))

    def _drop(self, step: _Step) -> None:
        self._count(step.sequence, ShadowOutcome.DROPPED)

    def _outcome(self, step: _Step) -> ShadowOutcome:
        try:
            outcome, found = step.sequence.run(step.given)
        except Exception:  # ONNX Runtime has many error classes, which share no base
            model, version, shadow = step.sequence.labels
            _log.exception("shadow failed", model=model, version=version, shadow=shadow)
            return ShadowOutcome.FAILED
        if found is not None:
            for observe in self._observers:
                observe(found)
        return outcome

    def _count(self, sequence: ShadowSequence, outcome: ShadowOutcome) -> None:
        self._metrics.steps.labels(*sequence.labels, outcome).inc()
