"""One client at its bounds, whatever it takes: it is refused, counted, and others notice nothing."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.server.metrics_page import MetricsPage
from soloist import NO_RETRY, Client, Label, LabelOutcome, ResourceExhaustedError
from soloist.oip import grpc_service_pb2 as oip
from tests.integration.asking import Asker, asking
from tests.integration.infer_requests import converse, step
from tests.integration.labelling import write_classifier
from tests.integration.rest_requests import ask
from tests.integration.tokens import over_http, token_of, write_tokens
from tests.servers import RunningServer, eventually, running_server

MIB = 2**20
# Of one client: half of the places for labels that wait.
MOST_EARLY = 50_000
# All of 127.0.0.0/8 is this machine, so a caller may have another address.
ELSEWHERE = ("127.0.0.2", 0)
BODY = json.dumps(
    {
        "parameters": {"sequence_id": "elsewhere", "sequence_start": True},
        "inputs": [{"name": "frames", "shape": [1, 1, 2], "datatype": "FP32", "data": [1.0, 2.0]}],
    }
)


# Over grpc.aio they take three times as long.
TRIED = {"httpunk": (10_000, 8_000), "grpc": (1_000, 800)}


def serving(folder: Path, transport: str, **settings: Any) -> Any:
    write_classifier(folder / "repository")
    return running_server(folder / "repository", folder, transport=transport, skew_probe_ratio=0, **settings)


def refused(server: RunningServer, share: str) -> float:
    return server.total("soloist_client_limit_total", share=share)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return write_tokens(tmp_path / "tokens.toml", {"one": ["infer", "monitor"], "other": ["infer"]})


def client(server: RunningServer, name: str) -> Client:
    return Client(server.grpc, token=token_of(name), retry=NO_RETRY)


def test_the_messages_of_one_client(tmp_path: Path, transport: str, tokens: Path) -> None:
    large = [[1.0, 2.0]] * 60_000  # 480,000 bytes, which count three times
    with (
        serving(tmp_path, transport, tokens_file=tokens, max_inflight_bytes_per_client=MIB) as server,
        client(server, "one") as one,
        client(server, "other") as other,
    ):
        with pytest.raises(ResourceExhaustedError) as caught:
            one.predict("sums", large)
        assert caught.value.reason == "CLIENT_LIMIT"
        facts = {"client": "one", "held": "0", "what": "bytes of messages in progress", "most": str(MIB)}
        assert caught.value.facts == facts
        assert other.predict("sums", [[1.0, 2.0]]).outputs.tolist() == [1.0, 2.0]
        assert one.predict("sums", [[1.0, 2.0]]).outputs.tolist() == [1.0, 2.0]


def test_the_states_of_one_client(tmp_path: Path, transport: str) -> None:
    with (
        serving(tmp_path, transport, max_state_bytes_per_client=200, evict_after_idle_seconds=0) as server,
        Client(server.grpc, retry=NO_RETRY) as one,
        one.stream("sums") as first,
    ):
        first.send([[1.0, 2.0]])
        with pytest.raises(ResourceExhaustedError) as caught:
            open_many(one)
        assert (caught.value.reason, caught.value.facts["client"]) == ("CLIENT_LIMIT", "ipv4:127.0.0.1")
        assert from_elsewhere(server)["outputs"][0]["data"] == [1.0, 2.0]
        # Its own stream goes on, and no other had to make room.
        assert first.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 4.0]
        assert server.total("soloist_sessions_ended_total", reason="evicted") == 0
        assert refused(server, "state_bytes") == 1


def open_many(client: Client) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(client.stream("sums")).send([[1.0, 2.0]])


def from_elsewhere(server: RunningServer) -> Any:
    host, _, port = server.http.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30, source_address=ELSEWHERE)
    connection.request("POST", "/v2/models/sums/infer", BODY)
    response = connection.getresponse()
    found = json.loads(response.read())
    connection.close()
    assert response.status == 200, found
    return found


def test_ten_thousand_sequences_of_one_address(tmp_path: Path, transport: str) -> None:
    tried, most = TRIED[transport]
    bounds = {} if tried == 10_000 else {"max_sessions": tried, "max_sessions_per_client": most}
    with serving(tmp_path, transport, **bounds) as server, asking(server.grpc) as asker:
        refusals = [answer for answer in begin(asker, tried) if answer.error_message]
        assert len(refusals) == tried - most
        expected = f"ipv4:127.0.0.1 has {most} open sequences"
        assert [answer.error_message for answer in refusals if expected not in answer.error_message] == []
        assert from_elsewhere(server)["outputs"][0]["data"] == [1.0, 2.0]
        assert server.total("soloist_sessions_open") == most + 1
        assert server.total("soloist_sessions_ended_total", reason="evicted") == 0
        assert refused(server, "sessions") == tried - most


def begin(asker: Asker, count: int) -> Iterator[oip.ModelStreamInferResponse]:
    """Begin sequences, some of them in each stream, which has a deadline."""
    for first in range(1, count + 1, 1000):
        numbers = range(first, min(first + 1000, count + 1))
        yield from converse(asker, *(step(number, start=True) for number in numbers))


def test_the_labels_of_one_client_that_wait_for_their_answers(tmp_path: Path, transport: str) -> None:
    roles = {"one": ["feedback"], "other": ["feedback", "infer"], "watch": ["monitor"]}
    settings: dict[str, Any] = {"tokens_file": write_tokens(tmp_path / "tokens.toml", roles)}
    settings |= {"prediction_log": tmp_path / "log.db", "prediction_log_flush_seconds": 0.05}
    with (
        serving(tmp_path, transport, **settings) as server,
        client(server, "one") as one,
        client(server, "other") as other,
    ):
        for _ in range(MOST_EARLY // 1000):
            assert {*one.report_many(early_labels(1000))} == {LabelOutcome.PENDING}
        with pytest.raises(ResourceExhaustedError) as caught:
            one.report_many(early_labels(1))
        assert (caught.value.reason, caught.value.facts["client"]) == ("CLIENT_LIMIT", "one")
        assert caught.value.facts["held"] == caught.value.facts["most"] == str(MOST_EARLY)
        assert {*other.report_many(early_labels(1000))} == {LabelOutcome.PENDING}
        answered = other.predict("sums", [[1.0, 2.0]]).prediction_id
        assert eventually(lambda: other.report(answered, 1) is not LabelOutcome.PENDING)
        _, _, page = over_http(server, "GET", "/metrics", authorization=f"Bearer {token_of('watch')}")
        assert MetricsPage(page).total("soloist_client_limit_total", share="early_labels") == 1


def early_labels(count: int) -> list[Label]:
    """Return labels of answers that nobody has given."""
    now = f"{time.time_ns() // 1_000_000:012x}"
    return [Label(prediction_id=now + secrets.token_hex(10), label=1) for _ in range(count)]


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return True
    except OSError:
        return False


def connections(address: str, count: int, **source: Any) -> Iterator[socket.socket]:
    host, _, port = address.rpartition(":")
    for _ in range(count):
        yield socket.create_connection((host, int(port)), timeout=30, **source)


@pytest.mark.parametrize("port", ["grpc", "http"])
def test_the_connections_of_one_address(tmp_path: Path, port: str) -> None:
    """Over grpc.aio they can't be counted."""
    bounds = {"max_connections_per_client": 3, "max_http_connections_per_client": 3}
    with serving(tmp_path, "httpunk", **bounds) as server, ExitStack() as stack:
        address = getattr(server, port)
        opened = [stack.enter_context(each) for each in connections(address, 5)]
        assert eventually(lambda: sum(map(is_open, opened)) == 3)
        # Over HTTP those that have waited longest go.
        assert [is_open(each) for each in opened] == [
            port == "grpc",
            port == "grpc",
            True,
            port == "http",
            port == "http",
        ]
        (other,) = connections(address, 1, source_address=ELSEWHERE)
        stack.enter_context(other)
        assert is_open(other)
        for each in opened:
            each.close()
        if port == "grpc":
            with Client(server.grpc) as again:
                assert eventually(lambda: again.models() is not None)
        assert ask(server.http, "GET", "/readyz").status == 200
        assert refused(server, "connections") >= 2
