"""What became of answers: a log of them, labels that come later, and the accuracy that follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from service.observers.feedback.accuracy_watch import AccuracyWatch
from service.observers.feedback.label_reports import Reports
from service.observers.feedback.log_file import LogFile
from service.observers.feedback.prediction_log import PredictionLog

if TYPE_CHECKING:
    from service.core.failures import Failures
    from service.core.metrics import Metrics
    from service.observers.feedback.label import Verdict
    from service.observers.feedback.policy import LogPolicy

__all__ = ["Feedback", "feedback"]


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """The parts of a server that keeps a prediction log."""

    log: PredictionLog
    reports: Reports
    accuracy: AccuracyWatch


@contextmanager
def feedback(policy: LogPolicy, metrics: Metrics, failures: Failures, *, refresh_seconds: float) -> Iterator[Feedback]:
    """Open the log, and write what waits when the block ends.

    Raises:
        LogFileError: the file can't be made, or is no prediction log.

    """
    file, count = LogFile(policy.path), failures.guard("prediction-log", partial(_count, metrics))
    with ExitStack() as stack:
        yield Feedback(
            log=stack.enter_context(PredictionLog(policy, file, metrics, count, failures)),
            reports=stack.enter_context(Reports(policy, file, count)),
            accuracy=stack.enter_context(AccuracyWatch(policy, file, failures, refresh_seconds=refresh_seconds)),
        )


def _count(metrics: Metrics, verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        metrics.labels.labels(*verdict.version, verdict.outcome).inc()
        if verdict.delay_seconds is not None:
            metrics.label_delay_seconds.labels(verdict.version[0]).observe(verdict.delay_seconds)
