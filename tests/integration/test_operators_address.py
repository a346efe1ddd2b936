"""What is off until an operator enables it, and the address that operators may have of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from service.app.settings import SettingsError, load_settings
from soloist import Admin
from soloist.client.errors import from_rpc_error
from tests.graphs import Sums
from tests.integration.methods import METHODS, OFF, reflect, refusal
from tests.integration.tokens import over_http
from tests.servers import RunningServer, running_server


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
        assert refusal(reflect, usual)[0] == "UNIMPLEMENTED"
        assert refusal(reflect, operators)[0] == "OK"
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
        assert refusal(reflect, channel)[0] == "UNIMPLEMENTED"


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
