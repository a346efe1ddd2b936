"""The reports of labels on their way to disk: one thread writes them, and a bounded number of calls waits."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import structlog

from service.core.client_shares import ClientShares, Share
from service.core.errors import Reason, ServiceError
from service.core.failures import start_threads
from service.observers.feedback.database import transaction
from service.observers.feedback.label import Outcome
from service.observers.feedback.label_joiner import ForbiddenError, Joiner, TooManyPendingError
from service.observers.feedback.label_shares import LabelShareError
from service.observers.feedback.log_file import LogLostError

if TYPE_CHECKING:
    from types import TracebackType

    from service.observers.feedback.label import Label, Verdict
    from service.observers.feedback.log_file import LogFile
    from service.observers.feedback.policy import LogPolicy

_log = structlog.get_logger("soloist.feedback")
_MAX_WAITING = 64


class Reports:
    """The reports, started and stopped as a context. `take` belongs to the event loop."""

    def __init__(
        self,
        policy: LogPolicy,
        file: LogFile,
        count: Callable[[Sequence[Verdict]], None],
        *,
        max_waiting: int = _MAX_WAITING,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create it without reports.

        Args:
            policy: the settings of the log.
            file: the log.
            count: called with the outcomes of labels; doesn't raise.
            max_waiting: how many calls may wait.
            clock: returns seconds since 1970.

        """
        self._policy = policy
        self._file = file
        self._count = count
        self._max_waiting = max_waiting
        self._clock = clock
        self._waiting = 0
        # Those that wait for their answers do so for a time that is known.
        self._shares = ClientShares(Share.EARLY_LABELS, policy.max_pending_per_client)
        # Those in the log are counted there.
        self._stored = ClientShares(Share.LABELS, policy.max_labels_per_client)
        self.shares = (self._shares, self._stored)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="soloist-feedback")

    def __enter__(self) -> Self:
        self._connection = self._file.connection(durable=True)
        self._joiner: tuple[sqlite3.Connection, Joiner] | None = None
        try:
            start_threads(self._thread, 1)
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the write in progress. Labels that wait are not taken, and their callers get an error."""
        self._thread.shutdown(cancel_futures=True)
        self._connection.close()

    async def take(self, labels: Sequence[Label], client: str = "") -> list[Verdict]:
        """Take labels of a client, all or none; they are on disk when this returns.

        Raises:
            ServiceError: FEEDBACK_BUSY, TOO_MANY_PENDING_LABELS, LABEL_FORBIDDEN, CLIENT_LIMIT or LOG_UNAVAILABLE.

        """
        if self._waiting >= self._max_waiting:
            raise ServiceError(Reason.FEEDBACK_BUSY, reports=self._waiting)
        self._shares.take(client, len(labels))
        self._waiting += 1
        loop, early = asyncio.get_running_loop(), 0
        try:
            verdicts = await loop.run_in_executor(self._thread, self._take, labels, client)
            early = sum(verdict.outcome is Outcome.PENDING for verdict in verdicts)
            return verdicts
        except TooManyPendingError as error:
            raise ServiceError(Reason.TOO_MANY_PENDING_LABELS, pending=error.pending) from error
        except LabelShareError as error:
            raise self._stored.refusal(client, error.held) from error
        except ForbiddenError as error:
            label = error.label
            raise ServiceError(
                Reason.LABEL_FORBIDDEN, client=label.reporter, prediction_id=label.prediction_id.hex()
            ) from error
        except (sqlite3.Error, OSError) as error:
            _log.exception("labels not written", labels=len(labels))
            raise ServiceError(Reason.LOG_UNAVAILABLE) from error
        finally:
            self._waiting -= 1
            self._shares.give_back(client, len(labels) - early)
            if early:
                loop.call_later(self._policy.pending_seconds, self._shares.give_back, client, early)

    def _take(self, labels: Sequence[Label], client: str) -> list[Verdict]:
        self._connection.require_same()
        with self._connection.using() as db:
            joiner = self._joiner_of(db)
            try:
                with transaction(db):
                    verdicts = joiner.take(labels, round(self._clock() * 1000), client)
            except ForbiddenError as error:
                self._count([error.verdict])
                raise
        if not self._connection.is_current():
            raise LogLostError("the prediction log was lost while labels were written")
        # Here and not by the caller: one who has gone has still changed the figures.
        self._count(verdicts)
        return verdicts

    def _joiner_of(self, db: sqlite3.Connection) -> Joiner:
        if self._joiner is None or self._joiner[0] is not db:
            self._joiner = (db, Joiner(db, self._policy))
        return self._joiner[1]
