"""Several processes on one port: the same answers, one page of metrics, one log, and what happens when one dies."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from soloist import Admin, SoloistError
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import feedback_pb2, feedback_pb2_grpc
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import Asker, asking, chunk, ones, opening, tensor
from tests.integration.infer_requests import stub_of
from tests.integration.labelling import sequence, write_classifier
from tests.integration.processes import asking_each, is_running, members
from tests.servers import SERVE, TRANSPORTS, RunningServer, environment, eventually, running_server

_CALLS = 5
_FRAMES = [[0.1, 0.2], [0.3, 1e-7], [3.3, -0.7]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("repository")
    write_classifier(repository)
    write_classifier(repository, version=2, gain=-1.0)
    return repository


@pytest.fixture(scope="module", params=TRANSPORTS)
def pair(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server of two processes, with a log."""
    folder = tmp_path_factory.mktemp("pair")
    settings: dict[str, Any] = {
        "processes": 2,
        "prediction_log": folder / "log.db",
        "prediction_log_flush_seconds": 0.02,
        "version_policy": "1",
        "log_format": "json",
    }
    with running_server(repository, folder, transport=request.param, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def expected(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The answer of a server of one process to _FRAMES."""
    with (
        running_server(repository, tmp_path_factory.mktemp("alone"), version_policy="1") as alone,
        asking(alone.grpc) as asker,
    ):
        return asker.predict(tensor(_FRAMES)).outputs.data


def test_both_processes_answer_with_the_bits_of_one(pair: RunningServer, expected: bytes) -> None:
    with asking_each(pair) as askers:
        assert [asker.predict(tensor(_FRAMES)).outputs.data for asker in askers.values()] == [expected] * 2


def test_the_page_has_the_counts_of_both(pair: RunningServer) -> None:
    def answered() -> tuple[float, float, float]:
        requests = pair.total("soloist_requests_total", model="sums", api="Predict", code="OK")
        seconds = pair.total("soloist_request_seconds_count", model="sums", api="Predict")
        return requests, seconds, pair.total("soloist_predictions_total", model="sums")

    with asking_each(pair) as askers:
        before = answered()
        for number, asker in enumerate(askers.values(), start=1):
            for _ in range(number * _CALLS):
                asker.predict(ones(3))
        assert answered() == tuple(count + 3 * _CALLS for count in before)
    assert pair.total("soloist_model_info", model="sums") == 1
    assert pair.total("soloist_workers") == 2 * len(os.sched_getaffinity(0))


def test_the_statistics_are_those_of_both(pair: RunningServer) -> None:
    with asking_each(pair) as askers:
        asked = oip.ModelStatisticsRequest(name="sums")
        found = [stub_of(asker).ModelStatistics(asked).model_stats[0] for asker in askers.values()]
        assert found[0] == found[1]
        for asker in askers.values():
            asker.predict(ones(3))
            more = stub_of(asker).ModelStatistics(asked).model_stats[0]
        assert more.inference_count == found[0].inference_count + 2
        assert more.inference_stats.success.count == found[0].inference_stats.success.count + 2


def test_a_label_may_come_to_the_other_process(pair: RunningServer) -> None:
    with asking_each(pair) as askers:
        one, other = askers.values()
        answer = one.predict(tensor(sequence(1)))
        label = feedback_pb2.GroundTruth(prediction_id=answer.prediction_id, class_index=1)
        stub = feedback_pb2_grpc.FeedbackStub(other.channel)
        stub.Report(feedback_pb2.ReportRequest(labels=[label]), timeout=30)
    assert eventually(lambda: pair.total("soloist_labels_total", outcome="joined") == 1)


def test_a_model_is_loaded_and_unloaded_everywhere(pair: RunningServer) -> None:
    with Admin(pair.grpc) as admin, asking_each(pair) as askers:
        admin.load("sums", 2)
        assert {asker.predict(ones(1), version=2).version for asker in askers.values()} == {2}
        admin.spread("sums", labels={"stable": 2})
        assert {asker.predict(ones(1)).version for asker in askers.values()} == {2}
        admin.spread("sums", labels={"stable": 0})
        admin.unload("sums", 2)
        for asker in askers.values():
            with pytest.raises(SoloistError, match="takes no new sequences"):
                asker.predict(ones(1), version=2)
        with pytest.raises(SoloistError, match="there is no model 'nobody'"):
            admin.load("nobody")


class Conversation:
    """A stream that stays open between its steps."""

    def __init__(self, asker: Asker) -> None:
        self._sent: queue.SimpleQueue[pb.StreamRequest | None] = queue.SimpleQueue()
        self._answers = asker.stub.Stream(iter(self._sent.get, None), timeout=60)
        self._frames = 0
        self._sent.put(opening())

    def step(self) -> pb.StreamResponse:
        """Send a frame, and return what comes of it."""
        self._sent.put(chunk(self._frames, ones(1)))
        self._frames += 1
        response = next(self._answers)
        return next(self._answers) if response.HasField("opened") else response

    def code_of_two_steps(self) -> grpc.StatusCode:
        """Send two frames, the first of which may leave for a process that has died; return how that ended."""
        try:
            self.step()
            self.step()
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def end(self) -> None:
        """Send no more."""
        self._sent.put(None)
        self._answers.cancel()


def test_a_process_that_is_killed_is_started_again(pair: RunningServer) -> None:
    with Admin(pair.grpc) as admin:
        admin.load("sums", 2)  # which a process that comes back has to catch up with
    before, restarts = members(pair), pair.total("soloist_process_restarts_total")
    answered = pair.total("soloist_requests_total", api="Predict", code="OK")
    killed = min(before)
    with asking_each(pair) as askers:
        talks = {part: Conversation(asker) for part, asker in askers.items()}
        for talk in talks.values():
            talk.step()
        os.kill(killed, signal.SIGKILL)
        codes = {part: talk.code_of_two_steps() for part, talk in talks.items()}
        assert sorted(codes.values(), key=str) == [grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE]
        (ended,) = (part for part, code in codes.items() if code is not grpc.StatusCode.OK)
        # Until all its threads have gone, connections may still wait for it, and are reset.
        assert eventually(lambda: killed not in members(pair))
        assert pair.get("/healthz") == (200, "alive\n")
        assert eventually(lambda: pair.total("soloist_process_restarts_total") == restarts + 1)
        # Asked of a server of which one process is missing, or starts.
        assert pair.total("soloist_requests_total", api="Predict", code="OK") >= answered
        assert eventually(lambda: pair.get("/readyz") == (200, "ready\n"))
        (survivor,) = talks.keys() - {ended}
        talks[survivor].step()
        for talk in talks.values():
            talk.end()
        with asking_each(pair) as again:
            assert survivor in again
            assert ended not in again
            assert {asker.predict(ones(1), version=2).version for asker in again.values()} == {2}
    assert len(members(pair)) == 2
    ends = [line for line in pair.log() if line["event"] == "process ended"]
    assert ends[-1]["exit_code"] == -signal.SIGKILL


def test_a_process_that_is_asked_to_end_loses_no_count(pair: RunningServer) -> None:
    before, restarts = members(pair), pair.total("soloist_process_restarts_total")
    with asking_each(pair) as askers:
        answered = pair.total("soloist_requests_total", api="Predict", code="OK")
        for asker in askers.values():
            asker.predict(ones(1))
        for pid in before:
            os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: not before & members(pair) and len(members(pair)) == 2)
    assert eventually(lambda: is_ready(pair))
    assert pair.total("soloist_requests_total", api="Predict", code="OK") == answered + 2
    assert pair.total("soloist_process_restarts_total") == restarts + 2


def is_ready(server: RunningServer) -> bool:
    """Return whether the server says so; no process may be there to ask."""
    try:
        return server.get("/readyz") == (200, "ready\n")
    except OSError:
        return False


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_signal_drains_all(repository: Path, tmp_path: Path, transport: str) -> None:
    settings: dict[str, Any] = {"processes": 2, "transport": transport, "log_format": "json"}
    with running_server(repository, tmp_path, **settings) as server, asking_each(server) as askers:
        talks = [Conversation(asker) for asker in askers.values()]
        for talk in talks:
            talk.step()
        children = members(server)
        server.ask_to_stop()
        assert eventually(lambda: sum(line["event"] == "draining" for line in server.log()) == 3)
        for talk in talks:
            talk.step()  # streams end when they like
            talk.end()
        assert server.exit_code() == 0
        assert not any(map(is_running, children))
        assert {line["process"] for line in server.log() if "process" in line} == {1, 2}


def test_a_second_signal_cuts_all(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, processes=2, log_format="json") as server, asking_each(server) as askers:
        talks = [Conversation(asker) for asker in askers.values()]
        for talk in talks:
            talk.step()
        server.process.send_signal(signal.SIGINT)
        assert eventually(lambda: sum(line["event"] == "draining" for line in server.log()) == 3)
        server.process.send_signal(signal.SIGINT)
        assert server.exit_code() == 1
        for talk in talks:
            with pytest.raises(grpc.RpcError):
                talk.step()


def test_processes_end_with_their_supervisor(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, processes=2) as server:
        children = members(server)
        assert len(children) == 2
        server.process.kill()
        assert eventually(lambda: not any(map(is_running, children)))


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"tls_key": "nowhere"}, 2, "tls_certificate and tls_key have to be set both"),
        ({"repository": "nowhere"}, 1, "soloist: nowhere: No such file or directory"),
    ],
)
def test_a_start_that_fails_in_all_fails_once(
    repository: Path, tmp_path: Path, settings: dict[str, str], code: int, said: str
) -> None:
    given = {"repository": str(repository), "grpc_port": "0", "http_port": "0", "processes": "2", **settings}
    done = refused(tmp_path, given)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("soloist: ") == 1
    assert not done.stdout


def test_a_port_that_another_server_has_is_refused(pair: RunningServer, repository: Path, tmp_path: Path) -> None:
    given = {"repository": str(repository), "grpc_port": pair.grpc.rpartition(":")[2], "http_port": "0"}
    done = refused(tmp_path, given)
    assert done.returncode == 1
    assert f"cannot listen on {pair.grpc}" in done.stderr


def refused(folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a server that can't start."""
    return subprocess.run(SERVE, cwd=folder, env=environment(settings), capture_output=True, text=True, timeout=60)
