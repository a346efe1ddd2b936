"""The shadow's one thread, and the bounded queue before it. Nothing on the event loop ever waits for either."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import structlog

from service.shadow.sequence import Outcome, ShadowSequence

if TYPE_CHECKING:
    from types import TracebackType

    from service.engine.servable import Servable
    from service.metrics import Metrics
    from service.prediction import Observer, Prediction

_log = structlog.get_logger("soloist.shadow")


@dataclass(frozen=True, kw_only=True)
class ShadowPolicy:
    """Frames of a run; steps that wait, and bytes of each; share of one core that runs take.

    The last keeps the shadow below everything else: see service.live_check.worker.
    """

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
        *,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Args: `shadow_of` names the version that gets copies of what another answers, if there is one.

        `observers` are told of every answer of a shadow, on its thread.

        """
        self._policy = policy
        self._shadow_of = shadow_of
        self._metrics = metrics
        self._observers = observers
        self._queue: queue.Queue[_Step | None] = queue.Queue(policy.max_queued)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="soloist-shadow")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin to stop: what waits is dropped, a run under way ends by itself, and nobody waits for it."""
        self._stopped.set()
        with suppress(queue.Empty):
            while (left := self._queue.get_nowait()) is not None:
                self._count(left.sequence, "dropped")
                self._queue.task_done()
        self._queue.put_nowait(None)

    def begin(self, servable: Servable, *, whole: bool = False) -> ShadowSequence | None:
        """Begin a sequence on the shadow beside one that this version answers; None where there is no shadow.

        `whole` tells that it comes in one step, which a shadow that sees later frames needs.
        """
        shadow = self._shadow_of(servable)
        if shadow is None:
            return None
        sequence = ShadowSequence(servable, shadow, piece_frames=self._policy.piece_frames)
        sequence.is_over = not (whole or shadow.manifest.causal)
        return sequence

    def step(self, sequence: ShadowSequence | None, given: Prediction) -> None:
        """Take a copy of the next answer of a sequence."""
        if sequence is None:
            return
        if not sequence.is_over and not self._put(_Step(sequence, given)):
            sequence.is_over = True
            _log.info("shadow behind", model=sequence.labels[0], shadow=sequence.labels[2])
        elif not sequence.is_over:
            return
        self._count(sequence, "dropped")

    def whole(self, given: Prediction) -> None:
        """Take a copy of the answer to a whole sequence."""
        self.step(self.begin(given.servable, whole=True), given)

    def settle(self) -> None:
        """Wait until all that was handed over has run or was dropped. Blocks."""
        self._queue.join()

    def _put(self, step: _Step) -> bool:
        if self._stopped.is_set() or step.byte_count > self._policy.max_step_bytes:
            return False
        try:
            self._queue.put_nowait(step)
        except queue.Full:
            return False
        return True

    def _work(self) -> None:
        while (busy_seconds := self._run_next()) is not None:
            self._stopped.wait(busy_seconds / self._policy.core_ratio - busy_seconds)

    def _run_next(self) -> float | None:
        """Run one step, when there is one; returns how long it took in seconds, or None at the end."""
        step = self._queue.get()
        started = time.perf_counter()
        if step is not None:
            self._count(step.sequence, self._outcome(step))
        self._queue.task_done()
        return None if step is None else time.perf_counter() - started

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
