"""The prediction log: the bounded queue before the file, and the one thread that writes it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from service.core.failures import Worker
from service.observers.feedback.answer_record import Record, fits
from service.observers.feedback.answer_writer import LogWriter

if TYPE_CHECKING:
    from types import TracebackType

    from service.core.failures import Failures
    from service.observers.feedback.label import Verdict
    from service.observers.feedback.log_file import LogFile
    from service.observers.feedback.metrics import FeedbackMetrics
    from service.observers.feedback.policy import LogPolicy
    from service.serving.prediction import Prediction

_WORKER = Worker.PREDICTION_LOG
_PRUNE_SECONDS = 30.0
# Rows are made under the interpreter's lock, which the event loop gets after this many.
_WRITTEN_AT_ONCE = 32


class PredictionLog:
    """The log, started and stopped as a context. `answered` and `shadowed` don't wait; they may run on any thread."""

    def __init__(
        self,
        policy: LogPolicy,
        file: LogFile,
        metrics: FeedbackMetrics,
        count: Callable[[Sequence[Verdict]], None],
        failures: Failures,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create a log that isn't started.

        Args:
            policy: its settings.
            file: the file.
            metrics: where dropped answers are counted.
            count: called with the outcomes of labels that had to wait; doesn't raise.
            failures: where failures are counted.
            clock: returns seconds since 1970.

        """
        self._policy = policy
        self._file = file
        self._metrics = metrics
        self._count = count
        self._failures = failures
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: list[Record] = []
        self._queued_bytes = 0
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._pruned_at = float("-inf")
        self._thread = threading.Thread(
            target=failures.run, args=(_WORKER, self._turn, self._stopped), name="soloist-prediction-log"
        )

    def __enter__(self) -> Self:
        self._writer = LogWriter(self._file.connection(), self._policy)
        try:
            self._thread.start()
        except BaseException:
            self._writer.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write all that waits, and end. Blocks until then."""
        self._stopped.set()
        self._wake.set()
        self._thread.join()
        self._writer.close()

    def write_soon(self) -> None:
        """Write all that waits as soon as possible, not at the next turn. May be called on any thread."""
        self._wake.set()

    def answered(self, prediction: Prediction) -> None:
        """Log an answer to a caller (service.serving.prediction.Observer)."""
        self._put(prediction, is_shadow=False)

    def shadowed(self, prediction: Prediction) -> None:
        """Log the answer of a shadow to the same frames (service.serving.prediction.Observer)."""
        self._put(prediction, is_shadow=True)

    def _put(self, prediction: Prediction, *, is_shadow: bool) -> None:
        servable = prediction.servable
        if not servable.manifest.labels or not servable.aligned or not prediction.outputs.size:
            return  # no classifier, not one output per frame, or none yet: a label could agree with no class
        if not fits(prediction.outputs, len(servable.manifest.labels)):
            self._metrics.drop(servable)
            return
        record = Record.of(prediction, is_shadow=is_shadow)
        policy = self._policy
        with self._lock:
            queued, queued_bytes = len(self._queue), self._queued_bytes + record.outputs.nbytes
            has_room = (
                not self._stopped.is_set() and queued < policy.max_queued and queued_bytes <= policy.max_queued_bytes
            )
            if has_room:
                self._queue.append(record)
                self._queued_bytes = queued_bytes
        if not has_room:
            self._metrics.drop(servable)
        elif 2 * queued > policy.max_queued:
            self._wake.set()

    def _turn(self) -> bool:
        if not self._stopped.is_set():
            self._wake.wait(self._policy.flush_seconds)
            self._wake.clear()
        is_last = self._stopped.is_set()
        self._flush()
        if not is_last:
            self._prune()
        return not is_last

    def _flush(self) -> None:
        with self._lock:
            batch, self._queue, self._queued_bytes = self._queue, [], 0
        for start in range(0, len(batch), _WRITTEN_AT_ONCE):
            some = batch[start : start + _WRITTEN_AT_ONCE]
            try:
                self._write(some)
            except (sqlite3.Error, OSError) as error:  # a full disk, a lock that is held: the rest would fail alike,
                self._drop(batch[start:], error)  # each after as long
                return
            except Exception:  # answers that make no rows; the others may
                self._write_apart(some)
            time.sleep(0)

    def _write(self, records: Sequence[Record]) -> None:
        verdicts = self._writer.write(records, round(self._clock() * 1000))
        self._count(verdicts)

    def _write_apart(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._write([record])
            except Exception as error:
                self._drop([record], error)

    def _drop(self, records: Sequence[Record], error: Exception) -> None:
        """Drop answers, and report it: serving goes on."""
        self._failures.note(_WORKER, error, "predictions not written", predictions=len(records))
        for record in records:
            self._metrics.drop(record.servable)

    def _prune(self) -> None:
        if time.monotonic() < self._pruned_at + _PRUNE_SECONDS:
            return
        self._pruned_at = time.monotonic()
        self._count(self._writer.prune(round(self._clock() * 1000)))
