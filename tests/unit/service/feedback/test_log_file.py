"""The log's file taken away while it runs: nothing is told of what went nowhere, and a new file takes over."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from service.core.errors import Reason, ServiceError
from service.observers.feedback.label import Label, Outcome
from service.observers.feedback.parts import Feedback, feedback
from service.observers.feedback.policy import LogPolicy
from tests.servers import eventually
from tests.unit.service.conftest import Meter
from tests.unit.service.feedback.conftest import Log, classifier, prediction

# Waits for an answer from another process. A connection of this one, opened while the file is changed, would take the
# new file's -shm for that of the old one: SQLite knows files by inode, and locks don't keep one process from itself.
_WAIT = """
import sqlite3, sys, time
from contextlib import closing
query = "SELECT count(*) FROM predictions WHERE id = ?"
while True:
    try:
        with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as db:
            if db.execute(query, (bytes.fromhex(sys.argv[2]),)).fetchone()[0]:
                break
    except sqlite3.Error:  # the file is being made anew
        pass
    time.sleep(0.005)
"""


@dataclass
class Running:
    """The parts of a server's log, and an answer of now."""

    parts: Feedback
    policy: LogPolicy

    async def report(self, prediction_id: str) -> Outcome:
        label = Label(prediction_id=bytes.fromhex(prediction_id), event_ms=0, name="b")
        return (await self.parts.reports.take([label]))[0].outcome

    async def refused(self, prediction_id: str) -> bool:
        try:
            await self.report(prediction_id)
        except ServiceError as error:
            return error.reason is Reason.LOG_UNAVAILABLE
        return False

    async def answers(self) -> int:
        """Count the answers of the last five minutes."""
        counts = await self.parts.accuracy.now()
        tallies = [tally for version in counts[self.policy.windows[0]].values() for tally in version.tallies.values()]
        return max((tally.answers for tally in tallies), default=0)


@contextmanager
def running(policy: LogPolicy, meter: Meter) -> Iterator[Running]:
    quick = replace(policy, flush_seconds=0.001)
    with feedback(quick, meter.metrics.feedback, meter.failures, refresh_seconds=3600.0) as parts:
        yield Running(parts, quick)


def answered(log: Running) -> str:
    """Answer once, now, and wait until it is written."""
    made = prediction(classifier(), 1, at_seconds=time.time())
    log.parts.log.answered(made)
    subprocess.run([sys.executable, "-S", "-c", _WAIT, log.policy.path, made.id], check=True, timeout=30)
    return made.id


def deleted(path: Path) -> None:
    path.unlink()


def remove(path: Path, suffix: str) -> None:
    Path(f"{path}{suffix}").unlink()


def overwrite(path: Path, suffix: str, noise: bytes) -> None:
    with Path(f"{path}{suffix}").open("r+b") as file:
        file.write(noise)


def deleted_with_its_journals(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        remove(path, suffix)


def cut_to_nothing(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


def folder_deleted(path: Path) -> None:
    shutil.rmtree(path.parent)


def replaced(path: Path) -> None:
    other = path.with_name("other.db")
    with closing(Log(LogPolicy(path=other))):
        pass
    other.replace(path)


LOSSES = [deleted, deleted_with_its_journals, cut_to_nothing, folder_deleted, replaced]


@pytest.mark.parametrize("lose", LOSSES)
async def test_a_file_that_is_lost_takes_no_labels_and_is_made_anew(
    lose: Callable[[Path], None], policy: LogPolicy, meter: Meter
) -> None:
    with running(policy, meter) as log:
        known = answered(log)
        assert await log.report(known) is Outcome.JOINED
        other = answered(log)
        lose(log.policy.path)
        # Nobody is told that a label was joined, which nobody will ever count.
        assert await log.refused(other)
        assert await log.report(other) is Outcome.PENDING
        new = answered(log)
        assert await log.report(new) is Outcome.JOINED
        assert await log.report(new) is Outcome.REPEATED
        assert await log.answers() == 1
    assert meter.value("soloist_prediction_log_dropped_total", model="m", version="1") in (None, 0)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
async def test_a_journal_that_is_lost_costs_nothing(suffix: str, policy: LogPolicy, meter: Meter) -> None:
    with running(policy, meter) as log:
        known = [answered(log) for _ in range(3)]
        assert await log.report(known[0]) is Outcome.JOINED
        remove(log.policy.path, suffix)
        assert await log.refused(known[0])
        assert await log.report(known[0]) is Outcome.REPEATED
        assert await log.report(known[1]) is Outcome.JOINED
        assert await log.answers() == 3
    with closing(Log(policy)) as after:
        assert after.rows("predictions") == 3
        assert after.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_file_that_is_damaged_is_kept_aside(policy: LogPolicy, meter: Meter) -> None:
    with running(policy, meter) as log:
        answered(log)
    noise = b"no database at all, and long enough to be taken for one" * 2000
    with running(policy, meter) as log:
        known = answered(log)
        for suffix in ("", "-wal"):
            overwrite(policy.path, suffix, noise)
        assert await log.refused(known)
        new = answered(log)
        # Whichever thread finds the damage first: a reporter is told of the new file once, maybe only now.
        if await log.refused(new):
            assert await log.report(new) is Outcome.JOINED
        assert await log.report(new) is Outcome.REPEATED
    assert policy.path.with_name(policy.path.name + ".damaged").read_bytes().startswith(noise[:50])


async def test_a_folder_that_cannot_be_made_refuses_labels_until_it_can(policy: LogPolicy, meter: Meter) -> None:
    with running(policy, meter) as log:
        known = answered(log)
        folder_deleted(policy.path)
        policy.path.parent.write_text("a file, where the folder was")
        for _ in range(3):
            assert await log.refused(known)
        log.parts.log.answered(prediction(classifier(), 1, at_seconds=time.time()))
        dropped = {"model": "m", "version": "1"}
        assert eventually(lambda: meter.value("soloist_prediction_log_dropped_total", **dropped) == 1)
        policy.path.parent.unlink()
        new = answered(log)
        assert await log.refused(new)
        assert await log.report(new) is Outcome.JOINED


@pytest.mark.parametrize("lose", LOSSES)
async def test_servers_that_share_a_file_change_to_the_new_one_together(
    lose: Callable[[Path], None], policy: LogPolicy, meter: Meter
) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(running(policy, meter)) for _ in range(2))
        for log in (one, other):
            assert await log.report(answered(log)) is Outcome.JOINED
        lose(policy.path)
        new = [answered(log) for log in (one, other)]
        for log in (one, other):
            assert await log.refused(new[0])
        for log in (one, other):
            assert {await log.report(each) for each in new} <= {Outcome.JOINED, Outcome.REPEATED}
            assert await log.answers() == 2
    with closing(Log(policy)) as after:
        assert after.rows("labels") == 2
        assert after.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_servers_prune_at_once(policy: LogPolicy) -> None:
    policy = replace(policy, max_rows=3)
    with closing(Log(policy)) as one, closing(Log(policy)) as other:
        one.write(*(prediction(one.by, 0) for _ in range(30)))
        pruned: list[object] = []

        def look_on(statement: str) -> None:
            # The other does all of it just before the first would choose what goes.
            if "OFFSET" in statement and not pruned:
                pruned.append(other.writer.prune(other.now_ms))

        with one.connection.using() as db:
            db.set_trace_callback(look_on)
        one.writer.prune(one.now_ms)
        assert pruned
        assert one.rows("predictions") == 3
