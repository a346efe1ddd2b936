"""The Open Inference Protocol over REST, through the real server: the same answers and refusals as over gRPC."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import zlib
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
from tests.integration.rest_requests import JSON_BYTES, ask, post
from tests.integration.strict import MAX_MESSAGE_BYTES
from tests.pages import DOCS
from tests.servers import RunningServer, running_server

FORMS = [pytest.param(False, id="json"), pytest.param(True, id="binary")]
BOTH = pytest.mark.parametrize("binary", FORMS)
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


@BOTH
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


@BOTH
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


def _tensor(**changes: object) -> dict[str, Any]:
    return {"name": "frames", "shape": [1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]} | changes


def _body(*inputs: object, **more: object) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


MALFORMED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "INPUT_MISSING"),
    ("no JSON", b"\x00\xff", "JSON_INVALID"),
    ("cut JSON", _body(_tensor())[:-3], "JSON_INVALID"),
    ("no object", b"[]", "JSON_INVALID"),
    ("NaN", _body(_tensor(data=[1, 2, 3, float("nan")])), "JSON_INVALID"),
    ("infinity", _body(_tensor(data=[1, 2, 3, float("-inf")])), "JSON_INVALID"),
    ("beyond doubles", b'{"inputs": [{"data": [1e999]}]}', "JSON_INVALID"),
    ("depth", b"[" * 5000 + b"]" * 5000, "JSON_INVALID"),
    ("lists", b"[" + b"[]," * 6000 + b"[]]", "JSON_INVALID"),
    ("inputs of no list", b'{"inputs": {}}', "JSON_INVALID"),
    ("an input of no object", _body(1), "JSON_INVALID"),
    ("a name that is no text", _body(_tensor(name=1)), "JSON_INVALID"),
    ("a long name", _body(_tensor(name="x" * 257)), "NAME_TOO_LONG"),
    ("a long id", _body(_tensor(), id="x" * 257), "NAME_TOO_LONG"),
    ("a shape that is no list", _body(_tensor(shape=4)), "JSON_INVALID"),
    ("a shape of truths", _body(_tensor(shape=[True, 2, 2])), "JSON_INVALID"),
    ("a shape beyond 64 bits", _body(_tensor(shape=[2**70, 2, 2])), "JSON_INVALID"),
    ("a shape below 0", _body(_tensor(shape=[-1, 2, 2])), "INPUT_SHAPE_MISMATCH"),
    ("too many axes", _body(_tensor(shape=[1] * 33)), "TOO_MANY_ENTRIES"),
    ("no data", _body({"name": "frames", "shape": [1, 2, 2], "datatype": "FP32"}), "JSON_INVALID"),
    ("too few elements", _body(_tensor(data=[1, 2, 3])), "INPUT_SIZE_MISMATCH"),
    ("lists of another shape", _body(_tensor(data=[[1, 2, 3, 4]])), "INPUT_SHAPE_MISMATCH"),
    ("ragged lists", _body(_tensor(data=[[1, 2], [3]])), "JSON_INVALID"),
    ("texts", _body(_tensor(data=["1", "2", "3", "4"])), "INPUT_TYPE_MISMATCH"),
    ("nulls", _body(_tensor(data=[1, 2, 3, None])), "INPUT_TYPE_MISMATCH"),
    ("truths", _body(_tensor(data=[True, True, False, True])), "INPUT_TYPE_MISMATCH"),
    ("beyond the type", _body(_tensor(data=[1, 2, 3, 1e39])), "INPUT_VALUE_OUT_OF_RANGE"),
    ("fractions for integers", _body(_tensor(datatype="INT64", data=[1, 2, 3, 4.5])), "INPUT_TYPE_MISMATCH"),
    ("BYTES", _body(_tensor(datatype="BYTES", data=["a", "b", "c", "d"])), "INPUT_TYPE_MISMATCH"),
    ("BF16", _body(_tensor(datatype="BF16")), "INPUT_TYPE_MISMATCH"),
    ("FP16", _body(_tensor(datatype="FP16")), "INPUT_TYPE_MISMATCH"),
    ("another type", _body(_tensor(datatype="FP64")), "INPUT_TYPE_MISMATCH"),
    ("a parameter that is a list", _body(_tensor(), parameters={"a": []}), "PARAMETER_INVALID"),
    ("a form that is no truth", _body(_tensor(), parameters={"binary_data_output": 1}), "PARAMETER_INVALID"),
    ("an unknown output", _body(_tensor(), outputs=[{"name": "x"}]), "OUTPUT_UNKNOWN"),
    (
        "classes",
        _body(_tensor(), outputs=[{"name": "outputs", "parameters": {"classification": 2}}]),
        "PARAMETER_UNSUPPORTED",
    ),
    (
        "shared memory",
        _body({"name": "frames", "shape": [1], "datatype": "FP32", "parameters": {"shared_memory_region": "a"}}),
        "PARAMETER_UNSUPPORTED",
    ),
    ("binary data that isn't there", _body(_tensor(parameters={"binary_data_size": 16})), "JSON_INVALID"),
]


@pytest.mark.parametrize(("name", "body", "reason"), MALFORMED, ids=[each[0] for each in MALFORMED])
def test_a_malformed_body_is_told_what_is_wrong(
    strict: RunningServer, asker: Asker, name: str, body: bytes, reason: str
) -> None:
    del name
    found = ask(strict.http, "POST", "/v2/models/sums/infer", body)
    assert (found.json["reason"], found.status) == (reason, HTTP_STATUSES[found.json["code"]]), found.body
    assert found.json["error"]
    assert "Traceback" not in found.json["error"]
    assert outputs_of(infer(asker, request())[0])["outputs"].shape == (1, 3, 2)


_FRAMES = {"name": "frames", "shape": [1, 2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}


@pytest.mark.parametrize(
    ("announced", "size", "data", "reason"),
    [
        ("", 16, b"\0" * 16, None),
        ("", 16, b"\0" * 15, "BODY_SIZE_MISMATCH"),
        ("", 16, b"\0" * 17, "BODY_SIZE_MISMATCH"),
        ("", 12, b"\0" * 12, "INPUT_SIZE_MISMATCH"),
        ("", -1, b"", "PARAMETER_INVALID"),
        ("", "16", b"\0" * 16, "PARAMETER_INVALID"),
        ("9" * 9, 16, b"\0" * 16, "BODY_SIZE_MISMATCH"),
        ("-3", 16, b"\0" * 16, "JSON_INVALID"),
        ("many", 16, b"\0" * 16, "JSON_INVALID"),
        ("5", 16, b"\0" * 16, "JSON_INVALID"),
        ("0", 16, b"\0" * 16, "BODY_SIZE_MISMATCH"),
    ],
)
def test_binary_data_of_a_wrong_size_is_refused(
    strict: RunningServer, announced: str, size: object, data: bytes, reason: str | None
) -> None:
    text = _body({**_FRAMES, "parameters": {"binary_data_size": size}})
    headers = {JSON_BYTES: announced or str(len(text))}
    found = ask(strict.http, "POST", "/v2/models/sums/infer", text + data, headers)
    assert found.json.get("reason") == reason, found.body


def test_each_output_has_the_form_that_was_asked_for(strict: RunningServer) -> None:
    outputs = [{"name": "outputs", "parameters": {"binary_data": True}}, {"name": "next.sum"}]
    found = ask(strict.http, "POST", "/v2/models/sums/infer", _body(_tensor(), outputs=outputs))
    assert "data" not in found.json["outputs"][0]
    assert found.json["outputs"][1]["data"] == [4.0, 6.0]
    assert found.outputs()["outputs"].tolist() == [[[1, 2], [4, 6]]]
    everything = {"binary_data_output": True}
    found = ask(strict.http, "POST", "/v2/models/sums/infer", _body(_tensor(), parameters=everything, id="mine"))
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.json["id"] == "mine"
    assert found.json["parameters"]["prediction_id"]


@pytest.mark.parametrize(("encoding", "packed"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@BOTH
def test_bodies_may_be_compressed_both_ways(strict: RunningServer, encoding: str, packed: Any, binary: bool) -> None:
    frames = np.zeros((1, 500, 2), np.float32)
    text = _body(
        {"name": "frames", "shape": [1, 500, 2], "datatype": "FP32", "data": frames.ravel().tolist()},
        parameters={"binary_data_output": binary},
    )
    headers = {"Content-Encoding": encoding, "Accept-Encoding": f"br, {encoding}"}
    found = ask(strict.http, "POST", "/v2/models/sums/infer", packed(text), headers)
    assert found.headers["content-encoding"] == encoding
    body = zlib.decompress(found.body, 47)
    assert len(body) > len(found.body)
    assert json.loads(body[: int(found.headers.get(JSON_BYTES, len(body)))])["outputs"][0]["shape"] == [1, 500, 2]


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("br", b"{}", "METHOD_UNSUPPORTED"),
        ("gzip", b"{}", "JSON_INVALID"),
        ("gzip", gzip.compress(b"{}")[:-4], "JSON_INVALID"),
        ("gzip", gzip.compress(b"{}") + b"more", "JSON_INVALID"),
        ("gzip", gzip.compress(b" " * 2**24), "MESSAGE_TOO_LARGE"),
    ],
    ids=["unknown", "not-packed", "cut", "followed", "bomb"],
)
def test_what_cannot_be_unpacked_is_refused(strict: RunningServer, encoding: str, body: bytes, reason: str) -> None:
    found = ask(strict.http, "POST", "/v2/models/sums/infer", body, {"Content-Encoding": encoding})
    assert found.json["reason"] == reason


def test_a_body_that_is_too_large_is_refused(strict: RunningServer) -> None:
    found = ask(strict.http, "POST", "/v2/models/sums/infer", b" " * (MAX_MESSAGE_BYTES + 1))
    assert (found.status, found.json["reason"]) == (429, "MESSAGE_TOO_LARGE")
    assert found.json["facts"] == {
        "message_bytes": str(MAX_MESSAGE_BYTES + 1),
        "max_message_bytes": str(MAX_MESSAGE_BYTES),
    }


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


def test_head_is_get_without_the_body(strict: RunningServer) -> None:
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
    for code, body in (("OK", _body(_tensor())), ("INVALID_ARGUMENT", _body(_tensor(data=[])))):
        before = fresh.total("soloist_requests_total", **labels, code=code)
        ask(fresh.http, "POST", "/v2/models/sums/infer", body)
        anywhere = labels if code == "OK" else {"api": "ModelInfer"}
        assert fresh.total("soloist_requests_total", **anywhere, code=code) == before + 1
    (stats,) = ask(fresh.http, "GET", "/v2/models/sums/stats").json["model_stats"]
    assert stats["inference_stats"]["success"]["count"] == 1
    assert ask(fresh.http, "GET", "/v2/models/stats").json["model_stats"] == [stats]


def test_a_timeout_is_a_deadline(fresh: RunningServer) -> None:
    asked = _body(_tensor(), parameters={"timeout": 1})
    found = ask(fresh.http, "POST", "/v2/models/sums/infer", asked)
    assert (found.status, found.json["code"]) in {(504, "DEADLINE_EXCEEDED"), (429, "RESOURCE_EXHAUSTED")}


def test_models_come_and_go(fresh: RunningServer) -> None:
    def state() -> str:
        (entry,) = ask(fresh.http, "POST", "/v2/repository/index", b"").json
        return str(entry["state"])

    assert ask(fresh.http, "POST", "/v2/repository/models/sums/unload", b"{}").status == 200
    assert state() == "UNAVAILABLE"
    assert ask(fresh.http, "POST", "/v2/repository/index", b'{"ready": true}').json == []
    assert ask(fresh.http, "POST", "/v2/models/sums/infer", _body(_tensor())).json["reason"] == "MODEL_NOT_LOADED"
    assert ask(fresh.http, "POST", "/v2/repository/models/sums/load").status == 200
    assert state() == "READY"
    refused = ask(fresh.http, "POST", "/v2/repository/models/sums/load", b'{"parameters": {"config": "{}"}}')
    assert (refused.status, refused.json["reason"]) == (501, "PARAMETER_UNSUPPORTED")
    assert ask(fresh.http, "POST", "/v2/repository/models/nobody/load", b"{}").status == 404
    assert ask(fresh.http, "POST", "/v2/repository/index", b'{"ready": 1}').json["reason"] == "JSON_INVALID"


def test_numbers_in_json_keep_their_bits(strict: RunningServer, asker: Asker) -> None:
    bits = np.random.default_rng(3).integers(0, 2**31, (1, 64, 2), np.uint32)
    frames = np.abs(bits.view(np.float32))
    frames[~np.isfinite(frames) | (frames > 1e30)] = 1e-42  # sums stay finite
    ours = outputs_of(infer(asker, request(frames))[0])["outputs"]
    for binary in (True, False):
        assert post(strict.http, request(frames), binary=binary).outputs()["outputs"].tobytes() == ours.tobytes()


def test_one_connection_takes_request_after_request(strict: RunningServer) -> None:

    connection = http.client.HTTPConnection(strict.http, timeout=30)
    try:
        connection.connect()
        own = connection.sock.getsockname()
        for body, status in (
            (_body(_tensor()), 200),
            (b"{", 400),
            (b" " * (MAX_MESSAGE_BYTES + 1), 429),
            (_body(_tensor()), 200),
        ):
            connection.request("POST", "/v2/models/sums/infer", body)
            response = connection.getresponse()
            response.read()
            assert response.status == status
            assert connection.sock.getsockname() == own
    finally:
        connection.close()
