"""The joining of labels and answers: all of its rules, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from service.observers.feedback.database import id_at, ms_of
from service.observers.feedback.label import Label, Outcome, Verdict
from service.observers.feedback.label_shares import STORED, count_labels
from service.observers.feedback.logged_answers import LoggedAnswer, LoggedAnswers
from service.observers.feedback.policy import LogPolicy

_LAST_FRAME = -1
_BY_NAME = -1
_WAITING = ("pending", "claims")
_PENDING = "SELECT (SELECT count(*) FROM pending) + (SELECT count(*) FROM claims)"
# Who may label all answers goes first.
_EARLY = """
SELECT 0, number, step, class_index, class, event_ms, '' FROM pending WHERE id = ?1
UNION ALL SELECT 1, number, step, class_index, class, event_ms, client FROM claims WHERE id = ?1 ORDER BY 1, 2
"""
# A client that may label its own answers only can have this part of all that wait.
_SHARES = 10


class TooManyPendingError(Exception):
    """No more labels are stored for answers that aren't in the log; `pending` of them are."""

    def __init__(self, pending: int) -> None:
        super().__init__(pending)
        self.pending = pending


class ForbiddenError(Exception):
    """A label is for an answer that its reporter didn't get."""

    def __init__(self, label: Label, verdict: Verdict) -> None:
        super().__init__(label.prediction_id.hex())
        self.label = label
        self.verdict = verdict


class Joiner:
    """The joiner of labels with the log. Belongs to one connection."""

    def __init__(self, db: sqlite3.Connection, policy: LogPolicy) -> None:
        self._db = db
        self._policy = policy
        self._answers = LoggedAnswers(db)

    def take(self, labels: Sequence[Label], now_ms: int, client: str = "") -> list[Verdict]:
        """Take labels as they are reported; those of a named `client` count as its own.

        Raises:
            TooManyPendingError: one would have to wait for its answer, and too many wait already.
            ForbiddenError: one isn't its reporter's to report.
            LabelShareError: the client would have too many in the log.

        """
        (pending,) = self._db.execute(_PENDING).fetchone()
        verdicts = []
        for label in labels:
            answers = self._answers.of(label.prediction_id)
            if answers and not answers[0].is_shadow:
                verdict = self._join(label, answers, now_ms)
                if verdict.outcome is Outcome.FORBIDDEN:
                    raise ForbiddenError(label, verdict)
                verdicts.append(verdict)
                continue
            outcome = self._without_answer(label, now_ms)
            if outcome is Outcome.PENDING:
                pending += self._wait(label)
            if pending > self._policy.max_pending:
                raise TooManyPendingError(self._policy.max_pending)
            verdicts.append(Verdict(outcome=outcome))
        if client:
            pairs = zip(labels, verdicts, strict=True)
            stored = [label.prediction_id for label, verdict in pairs if verdict.outcome in STORED]
            count_labels(self._db, client, stored, self._policy.max_labels_per_client)
        return verdicts

    def catch_up(self, keys: Sequence[tuple[bytes, int]], now_ms: int) -> list[Verdict]:
        """Join labels that were reported before these answers, (id, version) of rows just written, were in the log."""
        verdicts = []
        for prediction_id, version in keys:
            answers = self._answers.of(prediction_id)
            labels = self._db.execute("SELECT step, class FROM labels WHERE id = ?", (prediction_id,)).fetchall()
            for step, name in labels:
                self._match([answer for answer in answers if answer.version == version], step, name)
            if answers and not answers[0].is_shadow:
                verdicts += [self._join(label, answers, now_ms) for label in self._waiting(prediction_id)]
        return verdicts

    def give_up(self, now_ms: int) -> list[Verdict]:
        """Delete labels whose answers haven't come: they were never logged."""
        horizon = id_at(now_ms - round(self._policy.pending_seconds * 1000))
        gone = sum(self._db.execute(f"DELETE FROM {table} WHERE id < ?", (horizon,)).rowcount for table in _WAITING)  # noqa: S608
        return [Verdict(outcome=Outcome.UNKNOWN)] * gone

    def _join(self, label: Label, answers: Sequence[LoggedAnswer], now_ms: int) -> Verdict:
        answer, version = answers[0], self._answers.version(answers[0].version)
        if label.reporter and label.reporter != self._answers.owner(answer.id):
            return Verdict(outcome=Outcome.FORBIDDEN, version=version.identity)
        step = answer.last_frame if label.step is None else label.step
        if self._answers.at(answer, step) is None:
            return Verdict(outcome=Outcome.STEP_NOT_ANSWERED, version=version.identity)
        name = version.name(label)
        if name is None:
            return Verdict(outcome=Outcome.CLASS_UNKNOWN, version=version.identity)
        query = "SELECT class FROM labels WHERE id = ? AND step = ?"
        known = self._db.execute(query, (answer.id, step)).fetchone()
        if known is not None:
            outcome = Outcome.REPEATED if known[0] == name else Outcome.CONTRADICTORY
            return Verdict(outcome=outcome, version=version.identity)
        self._db.execute("INSERT INTO labels VALUES (?, ?, ?, ?)", (answer.id, step, name, label.event_ms))
        self._match(answers, step, name)
        answered_ms = ms_of(answer.id)
        is_late = answered_ms < now_ms - self._policy.longest_window_seconds * 1000
        return Verdict(
            outcome=Outcome.LATE if is_late else Outcome.JOINED,
            version=version.identity,
            # By the clock of another machine the truth may have been known before the answer.
            delay_seconds=max(0, label.event_ms - answered_ms) / 1000,
        )

    def _match(self, answers: Sequence[LoggedAnswer], step: int, name: str) -> None:
        for answer in answers:
            truth, said = self._answers.version(answer.version).index(name), self._answers.at(answer, step)
            if truth is not None and said is not None:
                values = (answer.id, answer.version, step, truth, *said)
                self._db.execute("INSERT OR IGNORE INTO matches VALUES (?, ?, ?, ?, ?, ?)", values)

    def _without_answer(self, label: Label, now_ms: int) -> Outcome:
        age_ms = now_ms - ms_of(label.prediction_id)
        (forgotten,) = self._db.execute("SELECT up_to FROM forgotten").fetchone()
        if label.prediction_id < forgotten or age_ms > self._policy.max_age_seconds * 1000:
            return Outcome.EXPIRED
        return Outcome.PENDING if abs(age_ms) <= self._policy.pending_seconds * 1000 else Outcome.UNKNOWN

    def _wait(self, label: Label) -> int:
        """Store a label as reported, and return how many were added: 0 if it waits already."""
        step = _LAST_FRAME if label.step is None else label.step
        index = _BY_NAME if label.class_index is None else label.class_index
        values = (label.prediction_id, step, index, label.name or "", label.event_ms)
        if not label.reporter:
            query = "INSERT OR IGNORE INTO pending (id, step, class_index, class, event_ms) VALUES (?, ?, ?, ?, ?)"
            return self._db.execute(query, values).rowcount
        query = (
            "INSERT OR IGNORE INTO claims (id, step, class_index, class, event_ms, client) VALUES (?, ?, ?, ?, ?, ?)"
        )
        added = self._db.execute(query, (*values, label.reporter)).rowcount
        query = "SELECT count(*) FROM claims WHERE client = ?"
        most = self._policy.max_pending // _SHARES
        if added and self._db.execute(query, (label.reporter,)).fetchone()[0] > most:
            raise TooManyPendingError(most)
        return added

    def _waiting(self, prediction_id: bytes) -> list[Label]:
        waiting = self._db.execute(_EARLY, (prediction_id,)).fetchall()
        if waiting:
            for table in _WAITING:
                self._db.execute(f"DELETE FROM {table} WHERE id = ?", (prediction_id,))  # noqa: S608  # names of ours
        return [
            Label(
                prediction_id=prediction_id,
                event_ms=event_ms,
                class_index=None if index == _BY_NAME else index,
                name=name if index == _BY_NAME else None,
                step=None if step == _LAST_FRAME else step,
                reporter=reporter,
            )
            for _, _, step, index, name, event_ms, reporter in waiting
        ]
