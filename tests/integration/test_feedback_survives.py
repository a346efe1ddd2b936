"""Labels and answers outlive the server: killed at any moment, twice on one file, resent as often as one likes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from soloist import NO_RETRY, Client, Label, LabelOutcome, Monitor, SoloistError
from tests.integration.labelling import sequence, write_classifier
from tests.servers import RunningServer, eventually, running_server

BATCH = 10
BATCHES = 60


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_classifier(tmp_path / "repository")
    return tmp_path / "repository"


@contextmanager
def served(repository: Path, **settings: Any) -> Iterator[tuple[RunningServer, Client]]:
    """Serve with the one log of the test."""
    folder = repository.parent
    settings = {"prediction_log": folder / "log.db", "prediction_log_flush_seconds": 0.05, **settings}
    with running_server(repository, folder, **settings) as server, Client(server.grpc, retry=NO_RETRY) as client:
        yield server, client


def labelled(server: RunningServer) -> tuple[int, int, int]:
    """Count answers, labels and right ones in the longest window."""
    with Monitor(server.grpc, retry=NO_RETRY) as monitor:
        versions = monitor.accuracy("sums")
    total = versions[0].windows[-1].total if versions else None
    return (total.answers, total.labels, total.correct) if total else (0, 0, 0)


def test_acknowledged_labels_survive_a_kill_and_count_once(repository: Path) -> None:
    with served(repository) as (server, client):
        answers = [client.predict("sums", sequence(number % 2)).prediction_id for number in range(BATCH * BATCHES)]
        assert eventually(lambda: labelled(server)[0] == len(answers))
        # Class 0 for all: half of them is right.
        labels = [Label(prediction_id=each, label=0) for each in answers]
        acknowledged = killed_while_reporting(server, client, labels)
    assert len(acknowledged) >= len(labels) // 2
    with served(repository) as (server, client):
        # The batch under way when it was killed may be on disk, unacknowledged; no other can be.
        _, found, right = labelled(server)
        assert len(acknowledged) <= found <= len(acknowledged) + BATCH
        assert right == found // 2
        assert set(client.report_many(acknowledged)) == {LabelOutcome.REPEATED}
        assert labelled(server) == (len(answers), found, right)
        outcomes = Counter(client.report_many(labels))
        assert outcomes == {LabelOutcome.JOINED: len(labels) - found, LabelOutcome.REPEATED: found}
        assert labelled(server) == (len(labels), len(labels), len(labels) // 2)
        assert set(client.report_many(labels)) == {LabelOutcome.REPEATED}
        assert labelled(server) == (len(labels), len(labels), len(labels) // 2)


def killed_while_reporting(server: RunningServer, client: Client, labels: list[Label]) -> list[Label]:
    """Report until the server is killed, which is somewhere in the middle; returns what it has acknowledged."""
    halfway = threading.Event()

    def kill() -> None:
        assert halfway.wait(timeout=60)
        server.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    acknowledged: list[Label] = []
    try:
        for start in range(0, len(labels), BATCH):
            batch = labels[start : start + BATCH]
            assert set(client.report_many(batch)) == {LabelOutcome.JOINED}
            acknowledged += batch
            if len(acknowledged) * 2 >= len(labels):
                halfway.set()
    except SoloistError as error:
        assert error.code.name in ("UNAVAILABLE", "CANCELLED")  # noqa: PT017  # when it comes is chance
    finally:
        halfway.set()
        killer.join()
        assert server.exit_code() == -9
    return acknowledged


def test_a_label_that_waits_survives_a_kill(repository: Path) -> None:
    with served(repository, prediction_log_flush_seconds=60) as (server, client):
        lost = client.predict("sums", sequence(0)).prediction_id
        assert client.report(lost, 0) is LabelOutcome.PENDING
        server.process.kill()
        server.exit_code()
    with served(repository) as (server, client):
        # The answer was not yet on disk, as the loss window says; the label is, and waits as long as one may.
        assert client.report(lost, 0) is LabelOutcome.PENDING
        assert labelled(server) == (0, 0, 0)


def test_a_drain_loses_nothing(repository: Path) -> None:
    with served(repository, prediction_log_flush_seconds=60) as (server, client):
        answers = [client.predict("sums", sequence(1)).prediction_id for _ in range(20)]
        server.ask_to_stop()
        assert server.exit_code() == 0
    with served(repository) as (server, client):
        assert client.report_many(Label(prediction_id=each, label=1) for each in answers) == ["joined"] * 20
        assert labelled(server) == (20, 20, 20)


def test_two_servers_share_one_log(repository: Path) -> None:
    with ExitStack() as stack:
        (one, first), (other, second) = (stack.enter_context(served(repository)) for _ in range(2))
        answers = []
        for number in range(50):
            client, colleague = (first, second) if number % 2 else (second, first)
            answers.append(client.predict("sums", sequence(1)).prediction_id)
            # Who takes the label need not be who answered.
            assert colleague.report(answers[-1], 1) in (LabelOutcome.JOINED, LabelOutcome.PENDING)
        assert eventually(lambda: labelled(one) == (50, 50, 50))
        assert labelled(other) == (50, 50, 50)
        labels = [Label(prediction_id=each, label=1) for each in answers]
        threads = [threading.Thread(target=client.report_many, args=(labels,)) for client in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert labelled(one) == labelled(other) == (50, 50, 50)
        joined = [server.total("soloist_labels_total", outcome="joined") for server in (one, other)]
        assert sum(joined) == 50
        for server in (one, other):
            server.ask_to_stop()
            assert server.exit_code() == 0


def test_a_log_that_cannot_be_opened_is_told_at_once(repository: Path) -> None:
    (repository.parent / "log.db").write_text("no database at all, and long enough to be taken for one" * 50)
    with pytest.raises(AssertionError, match=r"soloist: .*log\.db: file is not a database"), served(repository):
        pass
