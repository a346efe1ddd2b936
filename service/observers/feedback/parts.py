"""The parts of a server that keeps a prediction log. Without one none of this is imported: SQLite takes memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.core.failures import Worker
from service.observers.feedback.accuracy_watch import AccuracyWatch
from service.observers.feedback.label_reports import Reports
from service.observers.feedback.log_file import LogFile
from service.observers.feedback.prediction_log import PredictionLog

if TYPE_CHECKING:
    from service.core.failures import Failures
    from service.observers.feedback.metrics import FeedbackMetrics
    from service.observers.feedback.policy import LogPolicy


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """The parts of a server that keeps a prediction log."""

    log: PredictionLog
    reports: Reports
    accuracy: AccuracyWatch


@contextmanager
def feedback(
    policy: LogPolicy, metrics: FeedbackMetrics, failures: Failures, *, refresh_seconds: float
) -> Iterator[Feedback]:
    """Open the log, and write all that waits when the block ends.

    Raises:
        LogFileError: the file can't be created, or is no prediction log.

    """
    file, count = LogFile(policy.path), failures.guard(Worker.PREDICTION_LOG, metrics.judged)
    with ExitStack() as stack:
        yield Feedback(
            log=stack.enter_context(PredictionLog(policy, file, metrics, count, failures)),
            reports=stack.enter_context(Reports(policy, file, count)),
            accuracy=stack.enter_context(AccuracyWatch(policy, file, failures, refresh_seconds=refresh_seconds)),
        )
