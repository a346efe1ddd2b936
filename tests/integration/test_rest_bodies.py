"""Bodies over REST, through the real server: JSON, binary data, compression, and what is refused of them."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest

from service.transport.http.statuses import HTTP_STATUSES
from tests.integration.asking import Asker
from tests.integration.infer_requests import infer, outputs_of, request
from tests.integration.rest_requests import BOTH_FORMS, JSON_BYTES, ask, json_body, json_tensor, post
from tests.integration.strict import MAX_MESSAGE_BYTES
from tests.servers import RunningServer

MALFORMED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "INPUT_MISSING"),
    ("no JSON", b"\x00\xff", "JSON_INVALID"),
    ("cut JSON", json_body(json_tensor())[:-3], "JSON_INVALID"),
    ("no object", b"[]", "JSON_INVALID"),
    ("NaN", json_body(json_tensor(data=[1, 2, 3, float("nan")])), "JSON_INVALID"),
    ("infinity", json_body(json_tensor(data=[1, 2, 3, float("-inf")])), "JSON_INVALID"),
    ("beyond doubles", b'{"inputs": [{"data": [1e999]}]}', "JSON_INVALID"),
    ("depth", b"[" * 5000 + b"]" * 5000, "JSON_INVALID"),
    ("lists", b"[" + b"[]," * 6000 + b"[]]", "JSON_INVALID"),
    ("inputs of no list", b'{"inputs": {}}', "JSON_INVALID"),
    ("an input of no object", json_body(1), "JSON_INVALID"),
    ("a name that is no text", json_body(json_tensor(name=1)), "JSON_INVALID"),
    ("a long name", json_body(json_tensor(name="x" * 257)), "NAME_TOO_LONG"),
    ("a long id", json_body(json_tensor(), id="x" * 257), "NAME_TOO_LONG"),
    ("a shape that is no list", json_body(json_tensor(shape=4)), "JSON_INVALID"),
    ("a shape of truths", json_body(json_tensor(shape=[True, 2, 2])), "JSON_INVALID"),
    ("a shape beyond 64 bits", json_body(json_tensor(shape=[2**70, 2, 2])), "JSON_INVALID"),
    ("a shape below 0", json_body(json_tensor(shape=[-1, 2, 2])), "INPUT_SHAPE_MISMATCH"),
    ("too many axes", json_body(json_tensor(shape=[1] * 33)), "TOO_MANY_ENTRIES"),
    ("no data", json_body({"name": "frames", "shape": [1, 2, 2], "datatype": "FP32"}), "JSON_INVALID"),
    ("too few elements", json_body(json_tensor(data=[1, 2, 3])), "INPUT_SIZE_MISMATCH"),
    ("lists of another shape", json_body(json_tensor(data=[[1, 2, 3, 4]])), "INPUT_SHAPE_MISMATCH"),
    ("ragged lists", json_body(json_tensor(data=[[1, 2], [3]])), "JSON_INVALID"),
    ("texts", json_body(json_tensor(data=["1", "2", "3", "4"])), "INPUT_TYPE_MISMATCH"),
    ("nulls", json_body(json_tensor(data=[1, 2, 3, None])), "INPUT_TYPE_MISMATCH"),
    ("truths", json_body(json_tensor(data=[True, True, False, True])), "INPUT_TYPE_MISMATCH"),
    ("beyond the type", json_body(json_tensor(data=[1, 2, 3, 1e39])), "INPUT_VALUE_OUT_OF_RANGE"),
    ("fractions for integers", json_body(json_tensor(datatype="INT64", data=[1, 2, 3, 4.5])), "INPUT_TYPE_MISMATCH"),
    ("BYTES", json_body(json_tensor(datatype="BYTES", data=["a", "b", "c", "d"])), "INPUT_TYPE_MISMATCH"),
    ("BF16", json_body(json_tensor(datatype="BF16")), "INPUT_TYPE_MISMATCH"),
    ("FP16", json_body(json_tensor(datatype="FP16")), "INPUT_TYPE_MISMATCH"),
    ("another type", json_body(json_tensor(datatype="FP64")), "INPUT_TYPE_MISMATCH"),
    ("a parameter that is a list", json_body(json_tensor(), parameters={"a": []}), "PARAMETER_INVALID"),
    ("a form that is no truth", json_body(json_tensor(), parameters={"binary_data_output": 1}), "PARAMETER_INVALID"),
    ("an unknown output", json_body(json_tensor(), outputs=[{"name": "x"}]), "OUTPUT_UNKNOWN"),
    (
        "classes",
        json_body(json_tensor(), outputs=[{"name": "outputs", "parameters": {"classification": 2}}]),
        "PARAMETER_UNSUPPORTED",
    ),
    (
        "shared memory",
        json_body({"name": "frames", "shape": [1], "datatype": "FP32", "parameters": {"shared_memory_region": "a"}}),
        "PARAMETER_UNSUPPORTED",
    ),
    ("binary data that isn't there", json_body(json_tensor(parameters={"binary_data_size": 16})), "JSON_INVALID"),
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
    text = json_body({**_FRAMES, "parameters": {"binary_data_size": size}})
    headers = {JSON_BYTES: announced or str(len(text))}
    found = ask(strict.http, "POST", "/v2/models/sums/infer", text + data, headers)
    assert found.json.get("reason") == reason, found.body


def test_each_output_has_the_form_that_was_asked_for(strict: RunningServer) -> None:
    outputs = [{"name": "outputs", "parameters": {"binary_data": True}}, {"name": "next.sum"}]
    found = ask(strict.http, "POST", "/v2/models/sums/infer", json_body(json_tensor(), outputs=outputs))
    assert "data" not in found.json["outputs"][0]
    assert found.json["outputs"][1]["data"] == [4.0, 6.0]
    assert found.outputs()["outputs"].tolist() == [[[1, 2], [4, 6]]]
    everything = {"binary_data_output": True}
    found = ask(
        strict.http, "POST", "/v2/models/sums/infer", json_body(json_tensor(), parameters=everything, id="mine")
    )
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.json["id"] == "mine"
    assert found.json["parameters"]["prediction_id"]


@pytest.mark.parametrize(("encoding", "packed"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@BOTH_FORMS
def test_bodies_may_be_compressed_both_ways(strict: RunningServer, encoding: str, packed: Any, binary: bool) -> None:
    frames = np.zeros((1, 500, 2), np.float32)
    text = json_body(
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


def test_numbers_in_json_keep_their_bits(strict: RunningServer, asker: Asker) -> None:
    bits = np.random.default_rng(3).integers(0, 2**31, (1, 64, 2), np.uint32)
    frames = np.abs(bits.view(np.float32))
    frames[~np.isfinite(frames) | (frames > 1e30)] = 1e-42  # sums stay finite
    ours = outputs_of(infer(asker, request(frames))[0])["outputs"]
    for binary in (True, False):
        assert post(strict.http, request(frames), binary=binary).outputs()["outputs"].tobytes() == ours.tobytes()
