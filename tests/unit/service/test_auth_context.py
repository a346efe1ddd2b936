"""Who a certificate says its caller is: the same from both transports of gRPC and from HTTP."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from bench.tls.certificates import Authority, Mounted, client_context
from service.access.need import EVERYBODY
from service.api.health import HEALTH, health_methods
from service.api.routes import Answer, Route
from service.core.health import Health
from service.serving.batcher import OnTheWay
from service.transport.active_calls import ActiveCalls
from service.transport.admission import CallLimits
from service.transport.boundary import Around, Boundary
from service.transport.certificates import CertificateMetrics, Certificates, Port
from service.transport.connection_limits import ConnectionLimits
from service.transport.context import Caller
from service.transport.grpc_adapter import GrpcAdapter
from service.transport.grpc_server import serving_grpc
from service.transport.guards import Guard
from service.transport.http.application import HttpApplication
from service.transport.http.calls import Calls
from service.transport.http.connections import HttpLimits
from service.transport.http.http_server import serving_http
from service.transport.httpunk.listener import serving_httpunk
from service.transport.tls import Tls
from soloist import TLS
from tests.unit.service.conftest import Meter

LIMITS = CallLimits(max_message_bytes=10_000, idle_seconds=10.0)
Told = dict[str, list[bytes]]


class Watched(Boundary):
    """A boundary that keeps what a caller's transport tells of it."""

    told: Told

    def around(self, api: str, context: Caller, *, in_drain: bool = False, guard: Guard | None = None) -> Around:
        def as_lists(found: Mapping[str, Iterable[bytes]]) -> Told:
            return {name: list(values) for name, values in found.items()}

        self.told = as_lists(context.auth_context())
        assert as_lists(context.auth_context()) == self.told
        return super().around(api, context, in_drain=in_drain, guard=guard)


class Site:
    """Three listeners with the same certificates, and who they say that a caller is."""

    def __init__(self, folder: Path, meter: Meter) -> None:
        self.authority = Authority()
        self._folder, self._meter = folder, meter
        self._files = Mounted(folder / "server", self.authority.server())
        self._boundary = Watched(ActiveCalls(), meter.metrics.recorder)
        self._adapter = GrpcAdapter(self._boundary, LIMITS, OnTheWay(0.0))

    def certificates(self, port: Port, *, clients: bool = True, is_optional: bool = False) -> Certificates:
        files = self._files
        tls = Tls(
            certificate=files.certificate,
            key=files.key,
            client_ca=files.client_ca if clients else None,
            is_optional=is_optional,
        )
        protocol = "http/1.1" if port is Port.HTTP else "h2"
        return Certificates(port, tls, [protocol], CertificateMetrics(CollectorRegistry()))

    @asynccontextmanager
    async def serving(self, kind: str, certificates: Certificates | None) -> AsyncIterator[int]:
        health, limits = Health(), ConnectionLimits(max_message_bytes=10_000)
        if kind == "grpc":
            services = [self._adapter.service(HEALTH, health_methods(health))]
            async with serving_grpc(["127.0.0.1"], 0, services, health, limits, certificates) as port:
                yield port
        elif kind == "httpunk":
            answers = self._adapter.answers(HEALTH, health_methods(health))
            async with serving_httpunk(["127.0.0.1"], 0, answers, health, limits, certificates) as listener:
                yield listener.port
        else:
            calls = Calls([_route()], self._boundary, self._adapter.admission, LIMITS)
            app, failures = HttpApplication({}, calls), self._meter.failures
            async with serving_http(["127.0.0.1"], 0, app, HttpLimits(), failures, certificates) as port:
                yield port

    async def told(self, kind: str, port: int, tls: TLS | None) -> Told:
        """Call once, and return what the transport told of the caller."""
        if kind == "http":
            context = None if tls is None else client_context(tls, self._folder)
            assert await asyncio.to_thread(_get, port, context) == 200
        else:
            await _check(port, tls)
        return self._boundary.told


def _route() -> Route:
    async def handler(*_: object) -> Answer:
        return Answer(text=b"{}")

    return Route(verb="GET", path="/v2", api="ServerMetadata", handler=handler, need=EVERYBODY)


def _get(port: int, context: ssl.SSLContext | None) -> int:
    connection: http.client.HTTPConnection
    if context is None:
        connection = http.client.HTTPConnection("localhost", port, timeout=10)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    try:
        connection.request("GET", "/v2")
        return connection.getresponse().status
    finally:
        connection.close()


async def _check(port: int, tls: TLS | None) -> None:
    target = f"localhost:{port}"
    if tls is None:
        channel = grpc.aio.insecure_channel(target)
    else:
        shown = grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)
        channel = grpc.aio.secure_channel(target, shown)
    async with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)


@pytest.fixture
def site(tmp_path: Path, meter: Meter) -> Site:
    return Site(tmp_path, meter)


KINDS = ("grpc", "httpunk", "http")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_tells_who_the_caller_is(site: Site, kind: str) -> None:
    names = ("client.example", "192.0.2.1", "2001:db8::1", "someone@example.org")
    shown = site.authority.client(*names, common_name="a client")
    async with site.serving(kind, site.certificates(Port.HTTP if kind == "http" else Port.GRPC)) as port:
        told = await site.told(kind, port, shown)
    assert told["transport_security_type"] == [b"ssl"]
    assert told["x509_common_name"] == [b"a client"]
    assert sorted(told["x509_subject_alternative_name"]) == sorted(name.encode() for name in names)
    (pem,) = told["x509_pem_cert"]
    assert shown.certificate_chain is not None
    assert ssl.PEM_cert_to_DER_cert(pem.decode()) == ssl.PEM_cert_to_DER_cert(shown.certificate_chain.decode())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_without_a_common_name_tells_no_such_name(site: Site, kind: str) -> None:
    async with site.serving(kind, site.certificates(Port.HTTP if kind == "http" else Port.GRPC)) as port:
        told = await site.told(kind, port, site.authority.client("client.example"))
    assert told["x509_common_name"] == [b""]
    assert told["x509_subject_alternative_name"] == [b"client.example"]


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_is_told_without_a_certificate(site: Site, kind: str) -> None:
    async with site.serving(kind, None) as port:
        assert not [name for name in await site.told(kind, port, None) if name.startswith("x509")]
    only_server = site.certificates(Port.HTTP if kind == "http" else Port.GRPC, clients=False)
    async with site.serving(kind, only_server) as port:
        told = await site.told(kind, port, site.authority.client())
    assert not [name for name in told if name.startswith("x509")]


@pytest.mark.parametrize("kind", ["httpunk", "http"])
async def test_where_a_certificate_is_optional_it_is_verified_if_shown(site: Site, kind: str) -> None:
    asked = site.certificates(Port.HTTP if kind == "http" else Port.GRPC, is_optional=True)
    strange = Authority().client("client.example")
    stranger = TLS(
        root_certificates=site.authority.anonymous().root_certificates,
        certificate_chain=strange.certificate_chain,
        private_key=strange.private_key,
    )
    async with site.serving(kind, asked) as port:
        assert await site.told(kind, port, site.authority.anonymous()) == {}
        told = await site.told(kind, port, site.authority.client("client.example"))
        assert told["x509_subject_alternative_name"] == [b"client.example"]
        with pytest.raises((OSError, grpc.RpcError, http.client.HTTPException)):
            await site.told(kind, port, stranger)
