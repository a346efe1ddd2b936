"""The live check itself: which answers are checked, the queue they wait in, and the one thread that checks them."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from service.live_check.evidence import Evidence, Trail

if TYPE_CHECKING:
    from types import TracebackType

    from service.engine.runner import Row
    from service.engine.servable import Servable
    from service.live_check.inspector import Inspector
    from service.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class LiveCheckPolicy:
    """Share of the answers that is checked; answers that wait, and bytes of each; share of one core that checks take.

    The last is what keeps the check below everything else. A low priority would not: a thread that is put aside while
    it holds the interpreter's lock keeps the event loop waiting.
    """

    ratio: float
    max_queued: int = 16
    max_check_bytes: int = 4 * 2**20
    core_ratio: float = 0.1


class LiveCheck:
    """Started and stopped as a context. `witness` is called on the event loop; nothing there ever waits."""

    def __init__(
        self,
        policy: LiveCheckPolicy,
        inspector: Inspector,
        metrics: Metrics,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Args: `draw` gives a number in [0, 1) for every answer."""
        self._policy = policy
        self._inspector = inspector
        self._metrics = metrics
        self._draw = draw
        self._queue: queue.Queue[Evidence | None] = queue.Queue(policy.max_queued)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="soloist-live-check")

    def __enter__(self) -> Self:
        if self._policy.ratio:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin to stop: what waits is dropped, a check under way ends by itself, and nobody waits for it."""
        self._stopped.set()
        with suppress(queue.Empty):
            while (left := self._queue.get_nowait()) is not None:
                self._count(left, "dropped")
                self._queue.task_done()
        self._queue.put_nowait(None)

    def witness(self, servable: Servable, row: Row) -> Trail | None:
        """Choose whether a job is followed (service.batcher.witness.Summon)."""
        signature = servable.manifest.signature
        # A capsule holds frames and states, nothing else that callers send or that changes from run to run.
        is_told_more = bool(signature.controls) or not all(each.HasField("constant") for each in signature.inputs)
        may_differ = (servable.batched or servable.sliced) and not is_told_more
        return Trail(servable, row, self._submit) if may_differ and self._draw() < self._policy.ratio else None

    def settle(self) -> None:
        """Wait until all that was handed over is checked or dropped. Blocks."""
        self._queue.join()

    def _submit(self, evidence: Evidence) -> None:
        if self._stopped.is_set() or evidence.byte_count > self._policy.max_check_bytes:
            self._count(evidence, "dropped")
            return
        try:
            self._queue.put_nowait(evidence)
        except queue.Full:
            self._count(evidence, "dropped")

    def _work(self) -> None:
        while (busy_seconds := self._check_next()) is not None:
            self._stopped.wait(busy_seconds / self._policy.core_ratio - busy_seconds)

    def _check_next(self) -> float | None:
        """Check one answer, when there is one; returns how long it took in seconds, or None at the end."""
        evidence = self._queue.get()
        started = time.perf_counter()
        if evidence is not None:
            self._count(evidence, self._inspector.inspect(evidence))
        self._queue.task_done()
        return None if evidence is None else time.perf_counter() - started

    def _count(self, evidence: Evidence, outcome: str) -> None:
        self._metrics.invariance_checks.labels(evidence.model, str(evidence.version), outcome).inc()
