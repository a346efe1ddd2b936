"""The prediction log's file taken away, cut, or without room while real servers run: labels are refused, then go on."""

from __future__ import annotations

import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from soloist import NO_RETRY, Client, LabelOutcome, Monitor, SoloistError
from tests.integration.labelling import sequence, write_classifier
from tests.servers import RunningServer, eventually, running_server

DROPPED = "soloist_prediction_log_dropped_total"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_classifier(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log" / "predictions.db"


@contextmanager
def served(repository: Path, log: Path, **settings: Any) -> Iterator[tuple[RunningServer, Client]]:
    settings = {"prediction_log": log, "prediction_log_flush_seconds": 0.05, "log_format": "json", **settings}
    with (
        running_server(repository, repository.parent, **settings) as server,
        Client(server.grpc, retry=NO_RETRY) as client,
    ):
        yield server, client
        server.ask_to_stop()
        assert server.exit_code() == 0


def outcome(client: Client, prediction_id: str) -> str:
    """Report one label; the outcome, or the reason why it was refused."""
    try:
        return client.report(prediction_id, 1)
    except SoloistError as error:
        return str(error.reason)


def joined(client: Client) -> bool:
    """Answer once more, and tell whether its label is joined in time; refusals may come first."""
    return labelled(client, client.predict("sums", sequence(1)).prediction_id)


def labelled(client: Client, prediction_id: str) -> bool:
    """Report a label until it is joined; False after long."""
    return eventually(lambda: outcome(client, prediction_id) in (LabelOutcome.JOINED, LabelOutcome.REPEATED))


def has_dropped(server: RunningServer, answers: int) -> bool:
    return server.total(DROPPED) == answers


def delete(log: Path) -> None:
    for file in log.parent.iterdir():
        file.unlink()


def test_a_deleted_log_takes_no_labels_and_is_made_anew(repository: Path, log: Path) -> None:
    with served(repository, log) as (server, client):
        answers = [client.predict("sums", sequence(1)).prediction_id for _ in range(5)]
        assert labelled(client, answers[-1])  # so all of them are written
        delete(log)
        assert outcome(client, answers[1]) == "LOG_UNAVAILABLE"
        assert outcome(client, answers[1]) == LabelOutcome.PENDING
        assert joined(client)
        assert server.total(DROPPED) == 0
        reported = [line for line in server.log() if line["event"] == "prediction log lost, and created again"]
        assert len(reported) == 1
    with closing(sqlite3.connect(log)) as db:
        assert db.execute("SELECT count(*) FROM labels").fetchone() == (1,)


def test_two_servers_change_to_the_new_log(repository: Path, log: Path) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(served(repository, log))[1] for _ in range(2)]
        assert all(joined(client) for client in clients)
        for _ in range(3):
            delete(log)
            assert all(joined(client) for client in clients)
            # Who takes the label need not be who answered: they have the same file again.
            answer = clients[0].predict("sums", sequence(1)).prediction_id
            assert labelled(clients[1], answer)
            assert outcome(clients[0], answer) == LabelOutcome.REPEATED
    with closing(sqlite3.connect(log)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM labels").fetchone() == (3,)


def test_a_disk_without_room_costs_answers_and_says_so(repository: Path, log: Path) -> None:
    with served(repository, log) as (server, client):
        assert joined(client)
        _, most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        # As long as its own log lines may get, and shorter than the journal is by now.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2**14, most))
        answer = client.predict("sums", sequence(1)).prediction_id
        assert eventually(partial(has_dropped, server, 1))
        assert outcome(client, answer) == "LOG_UNAVAILABLE"
        failed = server.total("soloist_background_failures_total", worker="prediction-log")
        assert failed >= 1
        for dropped in (2, 3, 4):
            client.predict("sums", sequence(1))
            assert eventually(partial(has_dropped, server, dropped))
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, most))
        assert joined(client)
        # Each is counted; one of a kind and place is told.
        assert server.total("soloist_background_failures_total", worker="prediction-log") >= failed + 3
        reported = [line["place"] for line in server.log() if line["event"] == "predictions not written"]
        assert 1 <= len(reported) == len(set(reported))
    with closing(sqlite3.connect(log)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_rows_of_a_model_that_says_more_than_it_has_classes(repository: Path, log: Path) -> None:
    """An earlier release took such a model, and wrote what it said: one label of it stopped the accuracy of all."""
    with served(repository, log) as (_, client):
        assert joined(client)
    now = f"{time.time_ns() // 1_000_000:012x}".ljust(32, "0")
    with closing(sqlite3.connect(log)) as db, db:
        for key, classes in ((50, '["a"]'), (51, "no JSON"), (52, "7")):
            db.execute("INSERT INTO versions VALUES (?, 'wide', ?, 'none', ?)", (key, key, classes))
        for key in (50, 51, 52, 53):  # the last is nobody's
            row = (bytes.fromhex(now), key, False, None, 0, 1, True, 1, 3, 0.5)
            db.execute("INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO matches VALUES (?, ?, 0, 0, 3, 0.5)", (bytes.fromhex(now), key))
    with served(repository, log, accuracy_refresh_seconds=0.1) as (server, client):
        assert joined(client)
        assert eventually(lambda: server.total("soloist_accuracy_ratio", model="sums", window="5m", slice="all") == 1)
        assert server.total("soloist_labelled_predictions", model="wide", version="50", window="5m", slice="all") == 1
        assert server.total("soloist_confusion_predictions", model="wide") == 0
        assert server.total("soloist_background_failures_total") == 0
        with Monitor(server.grpc, retry=NO_RETRY) as monitor:
            (reported,) = monitor.accuracy("sums")
        assert reported.windows[0].total.labels == 2
        # A label for an answer whose version is unknown has no class there.
        assert client.report(now, "a") in (LabelOutcome.CLASS_UNKNOWN, LabelOutcome.JOINED)
