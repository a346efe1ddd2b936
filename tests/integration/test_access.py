"""Who may call what: tokens and roles on every address of a server, and what is off until an operator enables it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from service.app.settings import SettingsError, load_settings
from soloist import Admin
from soloist.client.errors import from_rpc_error
from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import admin_pb2, feedback_pb2, norm_skew_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.admin_pb2_grpc import AdminStub
from soloist.v1.feedback_pb2_grpc import FeedbackStub
from soloist.v1.norm_skew_pb2_grpc import NormSkewStub
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.graphs import Sums
from tests.integration.infer_requests import step
from tests.integration.tokens import ROLES, SECRET, bearer, line_of, over_http, token_of, write_tokens
from tests.servers import RunningServer, eventually, running_server

Ask = Callable[[grpc.Channel, Any], Any]

INFER, FEEDBACK, MONITOR, ADMIN = ROLES
EVERY_ROLE = frozenset(ROLES)


def _reflect(channel: grpc.Channel, metadata: Any) -> Any:
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    return list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked, metadata=metadata))


def _sampled(channel: grpc.Channel, metadata: Any) -> Any:
    request = norm_skew_pb2.ListSampledSequencesRequest(model="sums")
    return list(NormSkewStub(channel).ListSampledSequences(request, metadata=metadata))


def _stream(channel: grpc.Channel, metadata: Any) -> Any:
    return list(SequenceInferenceStub(channel).Stream(iter([pb.StreamRequest()]), metadata=metadata))


def _oip_stream(channel: grpc.Channel, metadata: Any) -> Any:
    asked = iter([oip.ModelInferRequest(model_name="sums")])
    return list(GRPCInferenceServiceStub(channel).ModelStreamInfer(asked, metadata=metadata))


def _own(stub: Any, method: str, request: Any) -> Ask:
    return lambda channel, metadata: getattr(stub(channel), method)(request, metadata=metadata)


_API, _OIP = SequenceInferenceStub, GRPCInferenceServiceStub
# Every method that isn't open to everybody, by the roles that may call it.
METHODS: dict[str, tuple[Ask, frozenset[str]]] = {
    "Predict": (_own(_API, "Predict", pb.PredictRequest(model="sums")), frozenset({INFER})),
    "Compare": (_own(_API, "Compare", pb.CompareRequest(model="sums")), frozenset({INFER})),
    "Stream": (_stream, frozenset({INFER})),
    "ListModels": (_own(_API, "ListModels", pb.ListModelsRequest()), EVERY_ROLE),
    "GetModel": (_own(_API, "GetModel", pb.GetModelRequest(model="sums")), EVERY_ROLE),
    "ModelInfer": (_own(_OIP, "ModelInfer", oip.ModelInferRequest(model_name="sums")), frozenset({INFER})),
    "ModelStreamInfer": (_oip_stream, frozenset({INFER})),
    "ServerMetadata": (_own(_OIP, "ServerMetadata", oip.ServerMetadataRequest()), EVERY_ROLE),
    "RepositoryIndex": (_own(_OIP, "RepositoryIndex", oip.RepositoryIndexRequest()), EVERY_ROLE),
    "ModelStatistics": (_own(_OIP, "ModelStatistics", oip.ModelStatisticsRequest()), frozenset({MONITOR})),
    "RepositoryModelLoad": (
        _own(_OIP, "RepositoryModelLoad", oip.RepositoryModelLoadRequest(model_name="sums")),
        frozenset({ADMIN}),
    ),
    "LoadModel": (_own(AdminStub, "LoadModel", admin_pb2.LoadModelRequest(model="sums")), frozenset({ADMIN})),
    "GetRollout": (_own(AdminStub, "GetRollout", admin_pb2.GetRolloutRequest(model="sums")), frozenset({ADMIN})),
    "Report": (_own(FeedbackStub, "Report", feedback_pb2.ReportRequest()), frozenset({INFER, FEEDBACK})),
    "GetAccuracy": (
        _own(FeedbackStub, "GetAccuracy", feedback_pb2.GetAccuracyRequest(model="sums")),
        frozenset({FEEDBACK, MONITOR}),
    ),
    "GetNormSkew": (
        _own(NormSkewStub, "GetNormSkew", norm_skew_pb2.GetNormSkewRequest(model="sums")),
        frozenset({MONITOR}),
    ),
    "ListSampledSequences": (_sampled, frozenset({ADMIN})),
    "ServerReflectionInfo": (_reflect, EVERY_ROLE),
}
OFF = ("LoadModel", "GetRollout", "RepositoryModelLoad", "GetNormSkew", "ListSampledSequences", "ModelStatistics")
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


def refusal(ask: Ask, channel: grpc.Channel, metadata: Any = None) -> tuple[str, str]:
    """Return code and reason of a call that ends with an error; "OK" of one that doesn't."""
    try:
        ask(channel, metadata)
    except grpc.RpcError as error:
        found = from_rpc_error(error)
        return found.code.name, found.reason
    return "OK", ""


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
        return refusal(_own(_OIP, "ModelInfer", step("mine", **place)), channel, bearer(name))[1]

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


@pytest.fixture(scope="module")
def closed(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serve as without any setting, but with an address for operators."""
    folder = tmp_path_factory.mktemp("closed")
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {"enable": "none", "admin_address": "127.0.0.1:0", "transport": transport}
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


def test_what_operators_do_is_on_at_their_address_only(closed: RunningServer) -> None:
    with grpc.insecure_channel(closed.grpc) as usual, grpc.insecure_channel(closed.admin) as operators:
        for method in OFF:
            ask = METHODS[method][0]
            assert refusal(ask, usual) == ("UNIMPLEMENTED", "METHOD_OFF"), method
            assert refusal(ask, operators)[1] != "METHOD_OFF", method
        assert refusal(_reflect, usual)[0] == "UNIMPLEMENTED"
        assert refusal(_reflect, operators)[0] == "OK"
        assert refusal(METHODS["ListModels"][0], usual)[0] == "OK"
    assert over_http(closed, "POST", "/v2/repository/models/sums/unload")[0] == 501
    assert over_http(closed, "GET", "/metrics")[0] == 200


def test_an_open_server_tells_how_to_enable_what_is_off(transport: str, tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with (
        running_server(tmp_path / "repository", tmp_path, enable="monitoring", transport=transport) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        with pytest.raises(grpc.RpcError) as refused:
            METHODS["LoadModel"][0](channel, None)
        assert "--enable admin" in from_rpc_error(refused.value).message
        assert refusal(METHODS["ModelStatistics"][0], channel)[0] == "OK"
        assert refusal(_reflect, channel)[0] == "UNIMPLEMENTED"


def test_operators_have_an_address_of_their_own_in_front_of_several_processes(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {"enable": "none", "admin_address": "127.0.0.1:0", "processes": 2}
    with (
        running_server(tmp_path / "repository", tmp_path, **settings) as server,
        grpc.insecure_channel(server.grpc) as usual,
        grpc.insecure_channel(server.admin) as operators,
    ):
        load = METHODS["LoadModel"][0]
        assert refusal(load, usual)[1] == "METHOD_OFF"
        assert refusal(load, operators) == ("OK", "")


def test_operators_may_have_a_socket(transport: str, tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    socket = f"unix:{tmp_path}/admin.sock"
    with (
        running_server(
            tmp_path / "repository", tmp_path, enable="none", admin_address=socket, transport=transport
        ) as server,
        Admin(socket) as operator,
    ):
        assert server.admin == socket
        assert operator.load("sums")
        server.ask_to_stop()
        assert server.exit_code() == 0
    assert not Path(socket.removeprefix("unix:")).exists()


@pytest.mark.parametrize("address", ["8003", "host", "host:99999", "unix:", "[::1:3"])
def test_an_address_of_operators_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="admin_address"):
        load_settings({"repository": "r", "admin_address": address})
