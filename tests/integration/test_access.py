"""Who may call what: tokens and roles on every address of a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.graphs import Sums
from tests.integration.infer_requests import step
from tests.integration.methods import ADMIN, EVERY_ROLE, INFER, METHODS, MONITOR, own, refusal
from tests.integration.tokens import ROLES, SECRET, bearer, line_of, over_http, token_of, write_tokens
from tests.servers import RunningServer, eventually, running_server

PATHS: dict[str, tuple[str, str, frozenset[str]]] = {
    "/metrics": ("GET", "/metrics", frozenset({MONITOR})),
    "infer": ("POST", "/v2/models/sums/infer", frozenset({INFER})),
    "metadata": ("GET", "/v2/models/sums", EVERY_ROLE),
    "stats": ("GET", "/v2/models/stats", frozenset({MONITOR})),
    "load": ("POST", "/v2/repository/models/sums/load", frozenset({ADMIN})),
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    expired = line_of("expired", ["infer"], ", expires = 2020-01-31")
    stranger = line_of("stranger", ["infer"])
    return write_tokens(tmp_path_factory.mktemp("tokens") / "tokens.toml", more=expired + stranger)


@pytest.fixture(scope="module")
def guarded(transport: str, tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("guarded")
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {"tokens_file": tokens, "log_level": "debug", "log_format": "json"}
    with running_server(folder / "repository", folder, transport=transport, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def channel(guarded: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(guarded.grpc) as channel:
        yield channel


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_a_token_is_refused(channel: grpc.Channel, method: str) -> None:
    assert refusal(METHODS[method][0], channel) == ("UNAUTHENTICATED", "TOKEN_MISSING")


def test_a_call_is_refused_before_it_sends_anything(channel: grpc.Channel) -> None:
    refused = threading.Event()

    def requests() -> Iterator[pb.StreamRequest]:
        assert refused.wait(30)
        yield from ()

    call = SequenceInferenceStub(channel).Stream(requests())
    assert call.code() is grpc.StatusCode.UNAUTHENTICATED
    refused.set()


@pytest.mark.parametrize("method", METHODS)
def test_a_call_needs_a_role_of_its_method(channel: grpc.Channel, method: str) -> None:
    ask, allowed = METHODS[method]
    refused = {role for role in ROLES if refusal(ask, channel, bearer(role)) == ("PERMISSION_DENIED", "ROLE_MISSING")}
    assert refused == EVERY_ROLE - allowed


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Bearer nonsense", "TOKEN_INVALID"),
        (f"Bearer {token_of('expired')}", "TOKEN_EXPIRED"),
        (f"Basic {token_of('infer')}", "TOKEN_INVALID"),
        (token_of("infer"), "TOKEN_INVALID"),
        ("Bearer ", "TOKEN_INVALID"),
    ],
    ids=["unknown", "expired", "basic", "bare", "empty"],
)
def test_a_token_that_is_no_token_is_refused(channel: grpc.Channel, header: str, reason: str) -> None:
    ask = METHODS["ListModels"][0]
    assert refusal(ask, channel, (("authorization", header),)) == ("UNAUTHENTICATED", reason)


def test_the_second_token_of_a_call_is_refused(channel: grpc.Channel) -> None:
    both = bearer("infer") + bearer("admin")
    assert refusal(METHODS["ListModels"][0], channel, both) == ("UNAUTHENTICATED", "TOKEN_INVALID")


def test_a_sequence_belongs_to_the_client_that_began_it(channel: grpc.Channel) -> None:
    def asked(name: str, **place: bool) -> str:
        return refusal(own(GRPCInferenceServiceStub, "ModelInfer", step("mine", **place)), channel, bearer(name))[1]

    def streamed(name: str) -> str:
        calls = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([step("mine")]), metadata=bearer(name))
        return next(calls).error_message.partition(":")[0]

    assert asked("infer", start=True) == ""
    assert asked("stranger") == "SEQUENCE_NOT_FOUND"
    assert streamed("stranger") == "SEQUENCE_NOT_FOUND"
    assert (asked("infer"), streamed("infer")) == ("", "")
    assert asked("stranger", start=True) == ""  # another one of the same name
    assert asked("infer", end=True) == ""


def test_health_is_for_everybody(guarded: RunningServer, channel: grpc.Channel) -> None:
    assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == 1
    assert GRPCInferenceServiceStub(channel).ServerReady(oip.ServerReadyRequest()).ready
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert over_http(guarded, "GET", path)[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_same_over_http(guarded: RunningServer, path: str) -> None:
    verb, address, allowed = PATHS[path]
    status, headers, text = over_http(guarded, verb, address)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(text)["reason"] == "TOKEN_MISSING"
    for role in ROLES:
        status, _, text = over_http(guarded, verb, address, authorization=f"Bearer {token_of(role)}")
        assert (status == 403) == (role not in allowed), (role, text)


def test_a_refused_call_is_counted_by_its_code(guarded: RunningServer, channel: grpc.Channel) -> None:
    ask = METHODS["Predict"][0]
    assert refusal(ask, channel)[0] == "UNAUTHENTICATED"
    assert refusal(ask, channel, bearer("monitor"))[0] == "PERMISSION_DENIED"
    page = over_http(guarded, "GET", "/metrics", authorization=f"Bearer {token_of('monitor')}")[2]
    for code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        assert f'api="Predict",code="{code}"' in page


def test_a_changed_file_is_read_and_a_broken_one_is_not(
    guarded: RunningServer, channel: grpc.Channel, tokens: Path
) -> None:
    ask = METHODS["ListModels"][0]
    before = tokens.read_text()
    try:
        write_tokens(tokens, {**ROLES, "new": ["infer"]})
        assert eventually(lambda: refusal(ask, channel, bearer("new"))[0] == "OK")
        write_tokens(tokens, {}, more="tokens = broken")
        assert eventually(lambda: "tokens file refused" in guarded.stderr.read_text())
        assert refusal(ask, channel, bearer("new"))[0] == "OK"
        write_tokens(tokens)
        assert eventually(lambda: refusal(ask, channel, bearer("new"))[1] == "TOKEN_INVALID")
        page = over_http(guarded, "GET", "/metrics", authorization=f"Bearer {token_of('monitor')}")[2]
        assert 'soloist_tokens_file_loads_total{outcome="refused"} 1.0' in page
    finally:
        tokens.write_text(before)


def test_no_token_is_written_anywhere(guarded: RunningServer, channel: grpc.Channel) -> None:
    told = []
    for name in (*ROLES, "unknown", "expired"):
        for ask, _ in METHODS.values():
            try:
                ask(channel, bearer(name))
            except grpc.RpcError as error:
                told += [str(error), repr(error.trailing_metadata())]
        for verb, path, _ in PATHS.values():
            told += map(str, over_http(guarded, verb, path, authorization=f"Bearer {token_of(name)}"))
    assert told
    assert not any(SECRET in text for text in (*told, guarded.stderr.read_text()))
