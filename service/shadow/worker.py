"""What a shadow gets copies of, and what is counted of its answers. Nothing on the event loop ever waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import structlog

from service.shadow.sequence import Outcome, ShadowSequence
from service.sideline import Sideline

if TYPE_CHECKING:
    from types import TracebackType

    from service.background import Failures
    from service.engine.servable import Servable
    from service.metrics import Metrics
    from service.prediction import Observer, Prediction

_log = structlog.get_logger("soloist.shadow")
_WORKER = "shadow"


@dataclass(frozen=True, kw_only=True)
class ShadowPolicy:
    """Frames of a run; steps that wait, and bytes of each; share of one core that runs take."""

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
        sent = (row.frames, *row.beside.inputs.values(), *row.beside.frame_inputs.values())
        return sum(array.nbytes for array in sent) + self.given.outputs.nbytes


class Shadows:
    """Started and stopped as a context. `begin` and `step` are called on the event loop."""

    def __init__(
        self,
        policy: ShadowPolicy,
        shadow_of: Callable[[Servable], Servable | None],
        metrics: Metrics,
        failures: Failures,
        *,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Args: `shadow_of` names the version that gets copies of what another answers, if there is one.

        `observers` are told of every answer of a shadow, on its thread.

        """
        self._policy = policy
        self._shadow_of = shadow_of
        self._metrics = metrics
        self._failures = failures
        self._observers = [failures.guard(_WORKER, observe) for observe in observers]
        self._sideline: Sideline[_Step] = Sideline(
            _WORKER, self._run, self._drop, failures, max_queued=policy.max_queued, core_ratio=policy.core_ratio
        )

    def __enter__(self) -> Self:
        self._sideline.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sideline.__exit__(kind, error, trace)

    def begin(self, servable: Servable, *, whole: bool = False) -> ShadowSequence | None:
        """Begin a sequence on the shadow beside one that this version answers; None where there is no shadow.

        `whole` tells that it comes in one step, which a shadow that sees later frames needs.
        """
        try:
            shadow = self._shadow_of(servable)
            if shadow is None:
                return None
            sequence = ShadowSequence(servable, shadow, piece_frames=self._policy.piece_frames)
            sequence.is_over = not (whole or shadow.manifest.causal)
        except Exception as error:  # the caller's sequence goes on without one
            self._failures.note(_WORKER, error)
            return None
        return sequence

    def step(self, sequence: ShadowSequence | None, given: Prediction) -> None:
        """Take a copy of the next answer of a sequence."""
        if sequence is None:
            return
        try:
            self._step(sequence, given)
        except Exception as error:  # whose answer it is never hears of it
            sequence.is_over = True
            self._failures.note(_WORKER, error)

    def whole(self, given: Prediction) -> None:
        """Take a copy of the answer to a whole sequence."""
        self.step(self.begin(given.servable, whole=True), given)

    def settle(self) -> None:
        """Wait until all that was handed over has run or was dropped. Blocks."""
        self._sideline.settle()

    def _step(self, sequence: ShadowSequence, given: Prediction) -> None:
        if not sequence.is_over and not self._put(_Step(sequence, given)):
            sequence.is_over = True
            _log.info("shadow behind", model=sequence.labels[0], shadow=sequence.labels[2])
        elif not sequence.is_over:
            return
        self._count(sequence, "dropped")

    def _put(self, step: _Step) -> bool:
        return step.byte_count <= self._policy.max_step_bytes and self._sideline.offer(step)

    def _run(self, step: _Step) -> None:
        self._count(step.sequence, self._outcome(step))

    def _drop(self, step: _Step) -> None:
        self._count(step.sequence, "dropped")

    def _outcome(self, step: _Step) -> Outcome:
        try:
            outcome, found = step.sequence.run(step.given)
        except Exception:  # ONNX Runtime's own kinds are many and share no base
            model, version, shadow = step.sequence.labels
            _log.exception("shadow failed", model=model, version=version, shadow=shadow)
            return "failed"
        if found is not None:
            for observe in self._observers:
                observe(found)
        return outcome

    def _count(self, sequence: ShadowSequence, outcome: Outcome) -> None:
        self._metrics.shadow_steps.labels(*sequence.labels, outcome).inc()
