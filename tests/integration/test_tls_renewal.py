"""Certificates that are renewed while a server runs: none of its connections ends, and new ones get the new ones."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.tls.caller import TlsCaller, localhost, page
from bench.tls.certificates import Authority, Files, Mounted
from soloist import TLS, Client
from tests.graphs import Sums
from tests.servers import RunningServer, eventually, running_server

LOOK_SECONDS = 0.05
RELOADS = "soloist_certificate_reloads_total"
EXPIRY = "soloist_certificate_expiry_timestamp_seconds"
PORTS = ("grpc", "http")


class Site:
    """A server with TLS on both ports, its files, and a caller that it trusts."""

    def __init__(self, folder: Path, stack: ExitStack, **settings: object) -> None:
        self.folder, self.authority = folder, Authority()
        self.files = self.authority.server()
        self.mounted = Mounted(folder / "secret", self.files)
        Sums(name="sums").write(folder / "repository")
        given: dict[str, Any] = {"tls_reload_seconds": LOOK_SECONDS, "log_format": "json", **settings}
        given |= self.mounted.settings()
        self.server = stack.enter_context(running_server(folder / "repository", folder, **given))
        self.caller = self.caller_of(self.authority)

    def caller_of(self, authority: Authority, trusted: Authority | None = None) -> TlsCaller[RunningServer]:
        """Return one that shows a certificate of one authority, and trusts another."""
        roots = (trusted or authority).ca.cert_pem.bytes()
        return TlsCaller(self.server, replace(authority.client(), root_certificates=roots), self.folder)

    def renew(self, files: Files, caller: TlsCaller[RunningServer] | None = None) -> None:
        """Swap the files, and wait until both ports have taken them up, as a caller sees it that trusts them."""
        self.mounted.swap(files)
        shown = ssl.PEM_cert_to_DER_cert(files.certificate.decode())
        seen = caller or self.caller
        assert eventually(lambda: {seen.served(self.server.grpc), seen.served(self.server.http)} == {shown})


@pytest.fixture(scope="module")
def site(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("renewal"), stack, transport=transport)


def test_no_stream_ends_and_new_callers_get_the_new_certificates(site: Site) -> None:
    caller, lines = site.caller, len(site.server.log())
    before = {port: caller.total(RELOADS, port=port, outcome="done") for port in PORTS}
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(caller.target, tls=caller.tls)) for _ in range(3)]
        streams = [stack.enter_context(client.stream("sums")) for client in clients]
        kept = caller.connection()
        stack.callback(kept.close)
        assert [stream.send([[1.0, 2.0]]).outputs.tolist() for stream in streams] == 3 * [[1.0, 2.0]]
        assert page(kept, "/healthz") == (200, "alive\n")
        for _ in range(3):
            site.renew(site.authority.server())
            assert [stream.send([[1.0, 2.0]]).outputs[1] for stream in streams]
        assert [stream.send([[1.0, 2.0]]).outputs.tolist() for stream in streams] == 3 * [[5.0, 10.0]]
        assert page(kept, "/healthz") == (200, "alive\n")
        assert [client.predict("sums", [[1.0, 2.0]]).frame_count for client in clients] == [1, 1, 1]
    assert {port: caller.total(RELOADS, port=port, outcome="done") - before[port] for port in PORTS} == {
        "grpc": 3,
        "http": 3,
    }
    assert sum(line["event"] == "certificate renewed" for line in site.server.log()[lines:]) == 6


def test_an_authority_that_is_taken_away_is_not_trusted_any_more(site: Site) -> None:
    old, new = site.caller, Authority()
    with Client(old.target, tls=old.tls) as client, client.stream("sums") as stream:
        stream.send([[1.0, 2.0]])
        kept = old.connection()
        assert page(kept, "/healthz")[0] == 200
        files = new.server()
        site.renew(files, site.caller_of(new))
        stream.send([[1.0, 2.0]])  # what is open goes on
        assert page(kept, "/healthz")[0] == 200
        kept.close()
    known = site.caller_of(new)
    assert known.get("/healthz") == (200, "alive\n")
    with Client(known.target, tls=known.tls) as client:
        assert client.predict("sums", [[1.0, 2.0]]).frame_count == 1
    foreign = site.caller_of(site.authority, trusted=new)
    with pytest.raises(OSError, match=r"alert|closed|reset|EOF"):
        foreign.get("/healthz")
    with foreign.channel() as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=1)
    site.renew(site.authority.server(), site.caller)


def _foreign_key(site: Site) -> Files:
    return replace(site.authority.server(), key=site.files.key)


def _cut(site: Site) -> Files:
    files = site.authority.server()
    return replace(files, certificate=files.certificate[: len(files.certificate) // 2])


def _expired(site: Site) -> Files:
    return site.authority.server(begins=-timedelta(days=2), lasts=timedelta(days=1))


def _from_tomorrow(site: Site) -> Files:
    return site.authority.server(begins=timedelta(days=1))


def _empty(site: Site) -> Files:
    return replace(site.authority.server(), key=b"")


def _no_authority(site: Site) -> Files:
    return replace(site.authority.server(), client_ca=b"no certificate\n")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (_foreign_key, "key values mismatch"),
        (_cut, "PEM"),
        (_expired, "expired"),
        (_from_tomorrow, "does not hold yet"),
        (_empty, "is empty"),
        (_no_authority, "PEM"),
    ],
)
def test_a_broken_renewal_keeps_what_was_there(site: Site, broken: Callable[[Site], Files], words: str) -> None:
    caller, lines = site.caller, len(site.server.log())
    shown, expiry = caller.served(site.server.grpc), caller.total(EXPIRY, port="grpc")
    failed = {port: caller.total(RELOADS, port=port, outcome="failed") for port in PORTS}
    site.mounted.swap(broken(site))
    # Twice: the second look at the same files logs nothing.
    assert eventually(
        lambda: all(caller.total(RELOADS, port=port, outcome="failed") >= failed[port] + 2 for port in PORTS)
    )
    assert {caller.served(site.server.grpc), caller.served(site.server.http)} == {shown}
    assert caller.total(EXPIRY, port="grpc") == expiry
    said = [line for line in site.server.log()[lines:] if line["event"] == "renewed certificate not used"]
    assert sorted(line["port"] for line in said) == ["grpc", "http"]
    assert all(words in line["why"] for line in said)
    assert "PRIVATE" not in site.server.stderr.read_text()
    site.renew(site.authority.server())


def test_files_that_are_away_for_a_moment_keep_what_was_there(site: Site) -> None:
    shown = site.caller.served(site.server.grpc)
    failed = site.caller.total(RELOADS, port="grpc", outcome="failed")
    link = site.folder / "secret" / "..data"
    target = link.readlink()
    link.unlink()
    assert eventually(lambda: site.caller.total(RELOADS, port="grpc", outcome="failed") > failed)
    assert site.caller.served(site.server.grpc) == shown
    link.symlink_to(target)
    site.renew(site.authority.server())


def test_the_expiry_is_that_of_the_certificate_in_use(site: Site) -> None:
    lasts = timedelta(days=9)
    before = site.caller.total(EXPIRY, port="http")
    site.renew(site.authority.server(lasts=lasts))
    assert {port: site.caller.total(EXPIRY, port=port) - before for port in PORTS}["http"] == pytest.approx(
        timedelta(days=7).total_seconds(), abs=600
    )
    assert site.caller.total(EXPIRY, port="grpc") == site.caller.total(EXPIRY, port="http")


def test_each_of_several_processes_renews_by_itself(transport: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = Site(tmp_path, stack, transport=transport, processes=2)
        site.mounted.swap(site.authority.server())
        assert eventually(lambda: all(site.caller.total(RELOADS, port=port, outcome="done") == 2 for port in PORTS))
        done = {line["process"] for line in site.server.log() if line["event"] == "certificate renewed"}
        assert done == {1, 2}
        shown = {site.caller.served(site.server.grpc) for _ in range(12)}
        assert len(shown) == 1
        # The smallest of both, not their sum.
        assert 0 < site.caller.total(EXPIRY, port="grpc") < 2 * 10**10


def test_an_expired_certificate_at_the_start_is_served_and_said(tmp_path: Path) -> None:
    authority = Authority()
    files = authority.server(begins=-timedelta(days=2), lasts=timedelta(days=1))
    mounted = Mounted(tmp_path / "secret", files)
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {"log_format": "json", **mounted.settings(clients=False)}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        shown = TlsCaller(server, TLS(root_certificates=files.client_ca), tmp_path).served(localhost(server.grpc))
        assert shown == ssl.PEM_cert_to_DER_cert(files.certificate.decode())
        lines = [line for line in server.log() if line["event"] == "certificate does not hold"]
        assert [line["port"] for line in lines] == ["grpc", "http"]
