"""The Open Inference Protocol over REST, through the real server: the same answers and refusals as over gRPC."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from service.transport.http.statuses import HTTP_STATUSES
from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as pb
from tests.conftest import SMALL_MODELS
from tests.graphs import Sums
from tests.integration.asking import Asker, asking
from tests.integration.cases.open_inference import REQUESTS
from tests.integration.infer_requests import infer, outputs_of, request, step
from tests.integration.rest_requests import BOTH_FORMS, ask, json_body, json_tensor, post
from tests.integration.strict import MAX_MESSAGE_BYTES
from tests.pages import DOCS
from tests.servers import RunningServer, running_server

# What has no form in REST: typed elements, and raw ones that are not one for each input.
RAW = [
    each
    for each in REQUESTS
    # The JSON of the last is more than this server takes.
    if len(each[1].raw_input_contents) == len(each[1].inputs) and each[0] != "too-many-outputs"
]


@pytest.fixture
def each_server(servers: Callable[[str], RunningServer], transport: str) -> RunningServer:
    return servers(transport)


def test_the_server_and_its_models_describe_themselves(strict: RunningServer) -> None:
    found = ask(strict.http, "GET", "/v2").json
    assert found["name"] == "soloist"
    assert "binary_tensor_data" in found["extensions"]
    for path in ("/v2/models/sums", "/v2/models/sums/versions/1", "/v2/models/sums/"):
        found = ask(strict.http, "GET", path).json
        assert found["versions"] == ["1"]
        assert found["inputs"] == [{"name": "frames", "datatype": "FP32", "shape": [-1, -1, 2]}]
    config = ask(strict.http, "GET", "/v2/models/sums/config").json
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    assert config["sequence_batching"]["state"][0]["dims"] == [2]


@pytest.mark.parametrize(
    ("path", "status", "ready"),
    [
        ("/v2/models/sums/ready", 200, True),
        ("/v2/models/sums/versions/1/ready", 200, True),
        ("/v2/models/sums/versions/9/ready", 400, False),
        ("/v2/models/corrupt/ready", 400, False),
        ("/v2/models/no%20body/ready", 400, False),
    ],
)
def test_whether_a_model_is_ready(strict: RunningServer, path: str, status: int, ready: bool) -> None:
    found = ask(strict.http, "GET", path)
    assert (found.status, found.json["ready"]) == (status, ready)


@BOTH_FORMS
@pytest.mark.parametrize("model", SMALL_MODELS)
def test_answers_have_the_bits_of_grpc(each_server: RunningServer, model: str, binary: bool) -> None:
    rng = np.random.default_rng(1)
    with asking(each_server.grpc) as asker:
        for length in (1, 7, 29):
            asked = request(rng.normal(size=(1, length, 12)).astype(np.float32), model=model)
            ours = outputs_of(infer(asker, asked)[0])["outputs"]
            found = post(each_server.http, asked, binary=binary)
            assert found.status == 200, found.body
            assert found.outputs()["outputs"].tobytes() == ours.tobytes()


@BOTH_FORMS
def test_chunks_over_rest_are_the_whole_over_grpc(each_server: RunningServer, binary: bool) -> None:
    frames = np.random.default_rng(2).normal(size=(1, 20, 12)).astype(np.float32)
    model = SMALL_MODELS[0]
    with asking(each_server.grpc) as asker:
        whole = outputs_of(infer(asker, request(frames, model=model))[0])["outputs"]
        # One sequence, over both by turns.
        parts = []
        for first in range(0, 20, 4):
            chunk = frames[:, first : first + 4]
            asked = step(f"turns {binary}", chunk, start=first == 0, end=first == 16, model=model)
            over_grpc = first % 8 == 0
            parts.append(
                outputs_of(infer(asker, asked)[0])["outputs"]
                if over_grpc
                else post(each_server.http, asked, binary=binary).outputs()["outputs"]
            )
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()


@pytest.mark.parametrize("bad", RAW, ids=lambda bad: bad[0])
def test_what_grpc_refuses_is_refused_for_the_same_reason(
    strict: RunningServer, asker: Asker, bad: tuple[str, pb.ModelInferRequest, Any, str, dict[str, object]]
) -> None:
    _, message, reason, code, _ = bad
    with pytest.raises(SoloistError) as refused:
        infer(asker, message)
    found = post(strict.http, message, binary=True)
    assert (found.status, found.json["code"], found.json["reason"]) == (HTTP_STATUSES[code], code, reason.name)
    assert found.json["facts"] == refused.value.facts
    assert found.json["error"] == refused.value.message
    assert found.json["hint"] in found.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/sums/infer", 405),
        ("DELETE", "/v2/models/sums", 405),
        ("GET", "/v2/models/sums/explain", 404),
        ("POST", "/v2/models//x/y/z", 404),
        ("GET", "/v2/models/nobody/config", 404),
        ("GET", f"/v2/models/{'x' * 300}", 400),
        ("GET", "/v2/models/%ff%00", 404),
        ("GET", "/v2/trace/setting", 501),
        ("POST", "/v2/logging", 501),
        ("POST", "/v2/systemsharedmemory/region/a/register", 501),
        ("GET", "/v2/cudasharedmemory/status", 501),
    ],
)
def test_what_is_not_there_is_told(strict: RunningServer, method: str, path: str, status: int) -> None:
    found = ask(strict.http, method, path)
    assert (found.status, bool(found.json["error"])) == (status, True)


def test_every_path_of_the_page_is_there(strict: RunningServer) -> None:
    page = (DOCS / "rest.md").read_text().partition("## Paths")[2].partition("\n## ")[0]
    found = re.findall(r"`(GET|POST) (MODEL|/v2)(\S*)`", page)
    assert len(found) == 12
    for method, begin, end in found:
        path = f"/v2/models/sums{end}" if begin == "MODEL" else f"/v2{end}".replace("NAME", "nobody")
        answer = ask(strict.http, method, path)
        assert answer.status in {200, 400} or answer.json["reason"] == "MODEL_NOT_FOUND", path


def test_head_is_get_without_thejson_body(strict: RunningServer) -> None:
    whole, head = ask(strict.http, "GET", "/v2/models/sums"), ask(strict.http, "HEAD", "/v2/models/sums")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("fresh")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder) as server:
        yield server


def test_calls_are_counted_by_the_names_that_they_have_in_grpc(fresh: RunningServer) -> None:
    labels = {"model": "sums", "version": "1", "api": "ModelInfer"}
    for code, body in (("OK", json_body(json_tensor())), ("INVALID_ARGUMENT", json_body(json_tensor(data=[])))):
        before = fresh.total("soloist_requests_total", **labels, code=code)
        ask(fresh.http, "POST", "/v2/models/sums/infer", body)
        anywhere = labels if code == "OK" else {"api": "ModelInfer"}
        assert fresh.total("soloist_requests_total", **anywhere, code=code) == before + 1
    (stats,) = ask(fresh.http, "GET", "/v2/models/sums/stats").json["model_stats"]
    assert stats["inference_stats"]["success"]["count"] == 1
    assert ask(fresh.http, "GET", "/v2/models/stats").json["model_stats"] == [stats]


def test_a_timeout_is_a_deadline(fresh: RunningServer) -> None:
    asked = json_body(json_tensor(), parameters={"timeout": 1})
    found = ask(fresh.http, "POST", "/v2/models/sums/infer", asked)
    assert (found.status, found.json["code"]) in {(504, "DEADLINE_EXCEEDED"), (429, "RESOURCE_EXHAUSTED")}


def test_models_come_and_go(fresh: RunningServer) -> None:
    def state() -> str:
        (entry,) = ask(fresh.http, "POST", "/v2/repository/index", b"").json
        return str(entry["state"])

    assert ask(fresh.http, "POST", "/v2/repository/models/sums/unload", b"{}").status == 200
    assert state() == "UNAVAILABLE"
    assert ask(fresh.http, "POST", "/v2/repository/index", b'{"ready": true}').json == []
    assert (
        ask(fresh.http, "POST", "/v2/models/sums/infer", json_body(json_tensor())).json["reason"] == "MODEL_NOT_LOADED"
    )
    assert ask(fresh.http, "POST", "/v2/repository/models/sums/load").status == 200
    assert state() == "READY"
    refused = ask(fresh.http, "POST", "/v2/repository/models/sums/load", b'{"parameters": {"config": "{}"}}')
    assert (refused.status, refused.json["reason"]) == (501, "PARAMETER_UNSUPPORTED")
    assert ask(fresh.http, "POST", "/v2/repository/models/nobody/load", b"{}").status == 404
    assert ask(fresh.http, "POST", "/v2/repository/index", b'{"ready": 1}').json["reason"] == "JSON_INVALID"


def test_one_connection_takes_request_after_request(strict: RunningServer) -> None:

    connection = http.client.HTTPConnection(strict.http, timeout=30)
    try:
        connection.connect()
        own = connection.sock.getsockname()
        for body, status in (
            (json_body(json_tensor()), 200),
            (b"{", 400),
            (b" " * (MAX_MESSAGE_BYTES + 1), 429),
            (json_body(json_tensor()), 200),
        ):
            connection.request("POST", "/v2/models/sums/infer", body)
            response = connection.getresponse()
            response.read()
            assert response.status == status
            assert connection.sock.getsockname() == own
    finally:
        connection.close()
