"""The live check itself: which answers are checked, and what is counted of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from service.live_check.evidence import Evidence, Trail
from service.sideline import Sideline

if TYPE_CHECKING:
    from types import TracebackType

    from service.background import Failures
    from service.engine.runner import Row
    from service.engine.servable import Servable
    from service.live_check.inspector import Inspector
    from service.metrics import Metrics

_WORKER = "live-check"


@dataclass(frozen=True, kw_only=True)
class LiveCheckPolicy:
    """Share of the answers that is checked; answers that wait, and bytes of each; share of one core for it."""

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
        failures: Failures,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Args: `draw` gives a number in [0, 1) for every answer."""
        self._policy = policy
        self._inspector = inspector
        self._metrics = metrics
        self._draw = draw
        self._submit = failures.guard(_WORKER, self._hand_over)
        self._sideline: Sideline[Evidence] = Sideline(
            _WORKER, self._check, self._drop, failures, max_queued=policy.max_queued, core_ratio=policy.core_ratio
        )

    def __enter__(self) -> Self:
        if self._policy.ratio:
            self._sideline.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sideline.__exit__(kind, error, trace)

    def witness(self, servable: Servable, row: Row) -> Trail | None:
        """Choose whether a job is followed (service.batcher.witness.Summon)."""
        signature = servable.manifest.signature
        # A capsule holds frames and states, nothing else that callers send or that changes from run to run.
        is_told_more = bool(signature.controls) or not all(each.HasField("constant") for each in signature.inputs)
        may_differ = (servable.batched or servable.sliced) and not is_told_more
        return Trail(servable, row, self._submit) if may_differ and self._draw() < self._policy.ratio else None

    def settle(self) -> None:
        """Wait until all that was handed over is checked or dropped. Blocks."""
        self._sideline.settle()

    def _hand_over(self, evidence: Evidence) -> None:
        if evidence.byte_count > self._policy.max_check_bytes or not self._sideline.offer(evidence):
            self._drop(evidence)

    def _check(self, evidence: Evidence) -> None:
        self._count(evidence, self._inspector.inspect(evidence))

    def _drop(self, evidence: Evidence) -> None:
        self._count(evidence, "dropped")

    def _count(self, evidence: Evidence, outcome: str) -> None:
        self._metrics.invariance_checks.labels(evidence.model, str(evidence.version), outcome).inc()
