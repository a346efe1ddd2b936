"""Labels against a real server: every way to answer can be judged, and what is refused says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from soloist import NO_RETRY, Admin, AsyncClient, AsyncMonitor, Client, Label, LabelOutcome, Monitor, SoloistError
from soloist.cli.main import main
from soloist.v1 import feedback_pb2 as pb
from soloist.v1 import feedback_pb2_grpc
from tests.integration.asking import asking, translated
from tests.integration.infer_requests import infer, request
from tests.integration.labelling import lines, sequence, write_classifier
from tests.servers import RunningServer, eventually, running_server

NEVER = "0" * 31 + "f"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """A server that keeps a log; version 2 of its model always says the opposite."""
    folder = tmp_path_factory.mktemp("judged")
    write_classifier(folder / "repository")
    write_classifier(folder / "repository", version=2, gain=-1.0, norm="batch")
    settings: dict[str, Any] = {
        "prediction_log": folder / "log.db",
        "prediction_log_flush_seconds": 0.02,
        "accuracy_refresh_seconds": 0.05,
        "version_policy": "all",
        "transport": transport,
    }
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


@pytest.fixture
def client(judged: RunningServer) -> Iterator[Client]:
    with Client(judged.grpc, retry=NO_RETRY) as client:
        yield client


@pytest.fixture
def monitor(judged: RunningServer) -> Iterator[Monitor]:
    with Monitor(judged.grpc, retry=NO_RETRY) as monitor:
        yield monitor


def logged(client: Client, prediction_id: str) -> str:
    """Wait until an answer is in the log: till then labels wait, and this one is of no frame that was answered."""
    assert eventually(lambda: client.report(prediction_id, 0, step=10**9) is LabelOutcome.STEP_NOT_ANSWERED)
    return prediction_id


def answered(client: Client, of: int, version: int = 1) -> str:
    """Let a version answer a sequence of class 0 or 1; the answer's id, once it is logged."""
    return logged(client, client.predict("sums", sequence(of), version=version).prediction_id)


def test_every_way_to_answer_is_judged(judged: RunningServer, client: Client) -> None:
    answers = [client.predict("sums", sequence(1), version=1).prediction_id]
    with client.stream("sums", version=1) as stream:
        answers += [stream.send(sequence(1)).prediction_id for _ in range(2)]
    with asking(judged.grpc) as asker:
        rows = np.stack([sequence(0), sequence(1)])
        (response,) = infer(asker, request(rows, version="1"))
    reported = response.parameters["prediction_id"].string_param.split(",")
    assert len(reported) == 2
    counted = {"model": "sums", "version": "1", "norm": "layer", "outcome": "joined"}
    before = judged.total("soloist_labels_total", **counted)
    labels = [Label(prediction_id=logged(client, each), label="right") for each in answers + reported]
    assert client.report_many(labels) == [LabelOutcome.JOINED] * 5
    assert client.report_many(labels) == [LabelOutcome.REPEATED] * 5
    assert judged.total("soloist_labels_total", **counted) - before == 5
    assert judged.total("soloist_label_delay_seconds_count", model="sums") >= 5


def test_a_label_that_is_faster_than_the_log_is_joined_later(judged: RunningServer, client: Client) -> None:
    counted = {"model": "sums", "version": "1", "norm": "layer", "outcome": "joined"}
    before = judged.total("soloist_labels_total", **counted)
    answer = client.predict("sums", sequence(1), version=1).prediction_id
    assert client.report(answer, "right") in (LabelOutcome.PENDING, LabelOutcome.JOINED)
    assert eventually(lambda: judged.total("soloist_labels_total", **counted) == before + 1)
    assert client.report(answer, "right") is LabelOutcome.REPEATED


def test_accuracy_is_told_by_version_and_in_metrics(judged: RunningServer, client: Client, monitor: Monitor) -> None:
    client.report(answered(client, 1, version=1), "right")
    client.report(answered(client, 1, version=2), "right")
    first, second = monitor.accuracy("sums")
    assert [(each.version, each.norm) for each in (first, second)] == [(1, "layer"), (2, "batch")]
    assert [window.window for window in first.windows] == ["5m", "1h", "1d"]
    assert second.windows[0].total.accuracy == 0
    assert second.windows[0].confusion["right", "left"] >= 1
    assert first.windows[0].total.accuracy is not None
    assert [each.version for each in monitor.accuracy("sums", 2)] == [2]

    def scraped() -> list[float]:
        found = judged.samples("soloist_accuracy_ratio{").get("soloist_accuracy_ratio", {})
        labels = {"model": "sums", "version": "2", "norm": "batch", "window": "1d", "slice": "all", "bucket": "all"}
        return [value for key, value in found.items() if labels.items() == dict(key).items()]

    assert eventually(lambda: scraped() == [0.0])


def test_a_shadow_is_judged_by_the_same_label(judged: RunningServer, client: Client, monitor: Monitor) -> None:
    def of_shadow() -> int:
        return sum(each.windows[0].total.labels for each in monitor.accuracy("sums", 2))

    with Admin(judged.grpc) as operator:
        before = of_shadow()
        operator.spread("sums", shadow_version=2)
        assert client.report(answered(client, 0), 0) is LabelOutcome.JOINED
        assert eventually(lambda: of_shadow() == before + 1)
        operator.spread("sums", shadow_version=0)


def test_frames_of_an_answer_are_judged_by_step(client: Client) -> None:
    with client.stream("sums", version=1, every_frame=True) as stream:
        stream.send(sequence(0, 4))
        second = logged(client, stream.send(sequence(1, 4)).prediction_id)
    assert [client.report(second, "left", step=step) for step in (3, 4, 7, 8)] == [
        *(LabelOutcome.STEP_NOT_ANSWERED, LabelOutcome.JOINED),
        *(LabelOutcome.JOINED, LabelOutcome.STEP_NOT_ANSWERED),
    ]
    assert client.report(second, "right") is LabelOutcome.CONTRADICTORY


def test_labels_of_nobody_are_told_apart(client: Client) -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    hour_ago, last_year = (f"{now_ms - age:012x}{'0' * 20}" for age in (3_600_000, 31_536_000_000))
    assert client.report(hour_ago, "left") is LabelOutcome.UNKNOWN
    assert client.report(last_year, "left") is LabelOutcome.EXPIRED
    assert client.report(answered(client, 1), "up") is LabelOutcome.CLASS_UNKNOWN


def test_a_stream_of_labels_is_counted(client: Client) -> None:
    answer = answered(client, 1)
    labels = (Label(prediction_id=each, label=1) for each in [answer] * 1500 + [NEVER] * 10)
    assert client.report_stream(labels) == {"joined": 1, "repeated": 1499, "expired": 10}


def _breaking_off(prediction_id: str) -> Iterator[Label]:
    for _ in range(1000):
        yield Label(prediction_id=prediction_id, label=1)
    raise OSError("the source is gone")


def test_what_the_labels_of_a_stream_raise_is_raised(client: Client) -> None:
    with pytest.raises(OSError, match="the source is gone"):
        client.report_stream(_breaking_off(answered(client, 1)))


async def test_what_the_labels_of_a_stream_raise_is_raised_async(judged: RunningServer) -> None:
    async with AsyncClient(judged.grpc) as client:
        with pytest.raises(OSError, match="the source is gone"):
            await client.report_stream(_breaking_off(NEVER))


def test_a_stream_that_breaks_off_tells_how_far_it_came(judged: RunningServer, client: Client) -> None:
    good = pb.GroundTruth(prediction_id=answered(client, 1), class_index=1)
    messages = [pb.ReportStreamRequest(labels=[good]), pb.ReportStreamRequest(labels=[good, pb.GroundTruth()])]
    with asking(judged.grpc) as asker, pytest.raises(SoloistError) as caught, translated():
        feedback_pb2_grpc.FeedbackStub(asker.channel).ReportStream(iter(messages))
    assert caught.value.reason == "LABEL_MALFORMED"
    assert (caught.value.facts["taken"], caught.value.facts["index"]) == ("1", "1")
    assert client.report(good.prediction_id, 1) is LabelOutcome.REPEATED


async def test_the_asynchronous_clients_report_and_monitor_too(judged: RunningServer) -> None:
    async with AsyncClient(judged.grpc) as client, AsyncMonitor(judged.grpc) as monitor:
        answer = (await client.predict("sums", sequence(0), version=1)).prediction_id
        event_time = datetime.now(UTC) + timedelta(seconds=5)
        assert await client.report(answer, "left", event_time=event_time) in ("joined", "pending")
        (outcome,) = await client.report_many([Label(prediction_id=answer, label="left")])
        assert outcome in ("repeated", "pending")
        assert sum((await client.report_stream([Label(prediction_id=answer, label="left")])).values()) == 1
        assert {each.version for each in await monitor.accuracy("sums", 1)} == {1}


def _soloist(server: RunningServer, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, [*arguments, "--server", server.grpc], input=stdin)


def test_the_command_takes_csv_and_json_lines(judged: RunningServer, client: Client) -> None:
    ids = [answered(client, 1) for _ in range(3)]
    csv = lines([("prediction_id", "label", "step", "note"), (ids[0], "right", 2, "x"), (ids[1], "right", "", "")])
    done = _soloist(judged, "feedback", "-", stdin=csv)
    assert (done.exit_code, done.stdout) == (0, "2  joined\n2  labels in all\n")
    fields = [{"prediction_id": each, "class_index": 1, "event_time": "2026-01-01T00:00:00Z"} for each in ids]
    done = _soloist(judged, "feedback", "--batch-labels", "2", stdin="\n".join(map(json.dumps, fields)))
    assert (done.exit_code, done.stdout) == (0, "2  repeated\n1  joined\n3  labels in all\n")


def test_the_command_fails_when_labels_are_not_held(judged: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(lines([("prediction_id", "class_index"), (NEVER, 0)]))
    done = _soloist(judged, "feedback", str(file))
    assert (done.exit_code, done.stdout) == (1, "1  expired\n1  labels in all\n")


def test_the_command_shows_accuracy(judged: RunningServer, client: Client) -> None:
    client.report(answered(client, 1), 1)
    done = _soloist(judged, "accuracy", "sums", "--version", "1", "--window", "5m")
    head, row = done.stdout.splitlines()
    assert head.split()[:5] == ["VERSION", "NORM", "WINDOW", "SLICE", "ANSWERS"]
    assert row.split()[:4] == ["1", "layer", "5m", "all"]
    assert len(_soloist(judged, "accuracy", "sums", "--slices").stdout.splitlines()) > 6
    (reported,) = map(json.loads, _soloist(judged, "accuracy", "sums", "--version", "1", "--json").stdout.splitlines())
    assert reported["windows"][0]["slices"][0]["labels"] >= 1


def test_accuracy_of_nobody(monitor: Monitor) -> None:
    with pytest.raises(SoloistError) as caught:
        monitor.accuracy("nobody")
    assert caught.value.reason == "MODEL_NOT_FOUND"
    with pytest.raises(SoloistError) as caught:
        monitor.accuracy("sums", 7)
    assert caught.value.reason == "MODEL_VERSION_NOT_FOUND"


def test_a_server_without_a_log_refuses(tmp_path: Path) -> None:
    write_classifier(tmp_path / "repository")
    with (
        running_server(tmp_path / "repository", tmp_path) as server,
        Client(server.grpc) as client,
        Monitor(server.grpc) as monitor,
    ):
        answer = client.predict("sums", sequence(0)).prediction_id
        for ask in (
            lambda: client.report(answer, "left"),
            lambda: client.report_stream([Label(prediction_id=answer, label="left")]),
            lambda: monitor.accuracy("sums"),
        ):
            with pytest.raises(SoloistError) as caught:
                ask()
            assert caught.value.reason == "FEEDBACK_OFF"
        assert not client.ready("soloist.v1.Feedback")


def test_health_knows_the_service(client: Client) -> None:
    assert client.ready("soloist.v1.Feedback")
