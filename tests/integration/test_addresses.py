"""Where a server listens: IPv6, Unix domain sockets, several hosts; and that clients find it there, proxy or not."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from soloist import AsyncClient, Client
from tests.graphs import Sums
from tests.servers import SERVE, environment

COMMAND = (sys.executable, "-m", "soloist.cli.main")
X = np.ones((3, 2), np.float32)


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 on this machine")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("addresses") / "repository"
    Sums(name="sums").write(folder)
    return folder


@contextmanager
def announced(repository: Path, *flags: str, **settings: object) -> Iterator[dict[str, list[str]]]:
    """Serve, and tell what the line on stdout says: addresses by protocol."""
    command = [*SERVE, "--repository", str(repository), "--grpc-port", "0", "--http-port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(settings)) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("soloist: serving grpc="), line
            found: dict[str, list[str]] = {"grpc": [], "http": []}
            for part in line.split()[2:]:
                protocol, _, address = part.partition("=")
                found[protocol].append(address)
            yield found
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def answers(target: str) -> bool:
    with Client(target) as client:
        return bool(client.predict("sums", X).outputs.tolist() == [3, 3])


def status(address: str, path: str = "/readyz") -> int:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, env=environment({}) | variables, timeout=60
    )


@ipv6
@pytest.mark.parametrize("written", ["::1", "[::1]", "0:0:0:0:0:0:0:1"])
def test_one_address_of_ipv6(repository: Path, written: str) -> None:
    with announced(repository, "--host", written) as found:
        for addresses in found.values():
            assert len(addresses) == 1
            assert re.fullmatch(r"\[::1\]:[1-9]\d*", addresses[0])
        assert answers(found["grpc"][0])
        assert status(found["http"][0]) == 200
        assert run("models", "--server", found["grpc"][0]).returncode == 0


@ipv6
def test_every_address_of_both_kinds(repository: Path, transport: str) -> None:
    every = ("--host", "::", "--host", "0.0.0.0")  # noqa: S104
    with announced(repository, *every, "--transport", transport) as found:
        assert [address.rpartition(":")[0] for address in found["grpc"] + found["http"]] == ["[::]", "[::]"]
        ports = {protocol: addresses[0].rpartition(":")[2] for protocol, addresses in found.items()}
        for host in ("[::1]", "127.0.0.1"):
            assert answers(f"{host}:{ports['grpc']}")
            assert status(f"{host}:{ports['http']}") == 200


@ipv6
@pytest.mark.parametrize("way", ["flags", "commas", "json", "toml"])
def test_several_hosts_have_one_port_each_protocol(repository: Path, tmp_path: Path, way: str) -> None:
    flags, settings = [], {}
    if way == "flags":
        flags = ["--host", "127.0.0.1", "--host", "::1"]
    elif way == "toml":
        (tmp_path / "settings.toml").write_text('host = ["127.0.0.1", "::1"]\n')
        flags = ["--config", str(tmp_path / "settings.toml")]
    else:
        settings = {"host": "127.0.0.1, ::1" if way == "commas" else '["127.0.0.1", "::1"]'}
    with announced(repository, *flags, **settings) as found:
        for addresses in found.values():
            hosts = [address.rpartition(":")[0] for address in addresses]
            assert hosts == ["127.0.0.1", "[::1]"]
            assert len({address.rpartition(":")[2] for address in addresses}) == 1
        assert all(map(answers, found["grpc"]))
        assert {status(address) for address in found["http"]} == {200}


async def test_a_socket_of_this_machine(repository: Path, tmp_path: Path, transport: str) -> None:
    target = f"unix:{tmp_path}/soloist.sock"
    with announced(repository, "--host", target, "--transport", transport) as found:
        assert found == {"grpc": [target], "http": []}
        assert answers(target)
        async with AsyncClient(target) as client:
            assert (await client.predict("sums", X)).outputs.tolist() == [3, 3]
        np.save(tmp_path / "x.npy", X)
        done = run("predict", "sums", str(tmp_path / "x.npy"), "--server", target)
        assert done.returncode == 0, done.stderr
        taken = run("serve", "--repository", str(repository), "--host", target)
        assert taken.returncode == 1
        assert f"cannot listen on {target}: " in taken.stderr
        assert answers(target)


def test_a_socket_beside_a_host_and_one_that_was_left_behind(repository: Path, tmp_path: Path, transport: str) -> None:
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    hosts = ("--host", f"unix:{path}", "--host", "127.0.0.1")
    with announced(repository, *hosts, "--transport", transport) as found:
        assert found["grpc"][0] == f"unix:{path}"
        assert all(map(answers, found["grpc"]))
        assert [status(address) for address in found["http"]] == [200]


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        ("", 2, "host: "),
        ("127.0.0.1:8001", 2, "without a port"),
        ("[::1]:8001", 2, "without a port"),
        (":::1", 2, "is no host"),
        ("[127.0.0.1]", 2, "is no host"),
        ("http://localhost", 2, "is no host"),
        ("a b", 2, "is no host"),
        ("unix:", 2, "has no path"),
        ("unix:/" + "x" * 200, 2, "too long"),
        ("unix:/nowhere/at/all.sock", 1, "cannot listen on unix:/nowhere/at/all.sock"),
        (f"unix:{__file__}", 1, "a file that is no socket has that name"),
        ("no.such.host.invalid", 1, "cannot listen on no.such.host.invalid"),
        ("192.0.2.1", 1, "cannot listen on 192.0.2.1"),
    ],
)
def test_an_address_that_is_none_is_named(repository: Path, host: str, code: int, words: str) -> None:
    done = run("serve", "--repository", str(repository), "--grpc-port", "0", "--http-port", "0", "--host", host)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("soloist: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "[::1]", "dns:///localhost", "ipv4:127.0.0.1"])
def test_no_proxy_stands_between_programs_of_one_machine(repository: Path, tmp_path: Path, host: str) -> None:
    if host == "[::1]" and not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    listen = {"[::1]": "::1", "127.0.0.2": "127.0.0.2"}.get(host, "127.0.0.1")
    with socket.socket() as dead, announced(repository, "--host", listen, enable="all") as found:
        dead.bind(("127.0.0.1", 0))  # and nobody listens
        proxy = f"http://127.0.0.1:{dead.getsockname()[1]}"
        variables = dict.fromkeys(PROXIES, proxy) | {"no_proxy": "", "NO_PROXY": ""}
        server = f"{host}:{found['grpc'][0].rpartition(':')[2]}"
        np.save(tmp_path / "x.npy", X)
        for command in (["models"], ["predict", "sums", str(tmp_path / "x.npy")], ["admin", "load", "sums"]):
            done = run(*command, "--server", server, "--timeout-seconds", "10", **variables)
            assert done.returncode == 0, (command, done.stderr)


def test_elsewhere_the_proxy_of_the_environment_is_taken() -> None:
    heard = socket.create_server(("127.0.0.1", 0))
    with heard:
        heard.settimeout(30)
        proxy = f"http://127.0.0.1:{heard.getsockname()[1]}"
        command = [*COMMAND, "models", "--server", "far.invalid:8001", "--timeout-seconds", "20"]
        variables = {"http_proxy": proxy, "https_proxy": proxy, "grpc_proxy": proxy, "no_proxy": ""}
        clean = {name: value for name, value in os.environ.items() if name.lower() not in map(str.lower, PROXIES)}
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=clean | variables) as process:
            try:
                connection, _ = heard.accept()
                with connection:
                    assert connection.recv(100).startswith(b"CONNECT far.invalid:8001")
            finally:
                process.kill()
