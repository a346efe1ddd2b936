"""Certificates of clients: what each may do is in the file of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from soloist import TLS, Admin, Client, PermissionDeniedError, SoloistError, UnauthenticatedError
from tests.graphs import Sums
from tests.integration.tokens import token_of, write_tokens
from tests.servers import RunningServer, running_server

CERTIFICATES = 'certificates."camera.example" = { roles = ["infer"], name = "camera" }\n'


@dataclass(frozen=True)
class Authority:
    """An authority, and the server's files with its certificates."""

    ca: trustme.CA
    files: dict[str, Path]

    def client(self, name: str) -> TLS:
        issued = self.ca.issue_cert(name)
        return TLS(
            root_certificates=self.ca.cert_pem.bytes(),
            certificate_chain=issued.cert_chain_pems[0].bytes(),
            private_key=issued.private_key_pem.bytes(),
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder, ca = tmp_path_factory.mktemp("authority"), trustme.CA()
    files = {name: folder / f"{name}.pem" for name in ("tls_certificate", "tls_key", "tls_client_ca")}
    server = ca.issue_cert("localhost")
    server.cert_chain_pems[0].write_to_path(files["tls_certificate"])
    server.private_key_pem.write_to_path(files["tls_key"])
    ca.cert_pem.write_to_path(files["tls_client_ca"])
    return Authority(ca, files)


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("roles")
    Sums(name="sums").write(folder / "repository")
    tokens = write_tokens(folder / "tokens.toml", {"operator": ["admin"]}, more=CERTIFICATES)
    settings: dict[str, Any] = {"transport": "grpc", "tokens_file": tokens, **authority.files}
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


def at(server: RunningServer) -> str:
    return f"localhost:{server.grpc.rpartition(':')[2]}"


def test_a_certificate_has_the_roles_of_its_name(authority: Authority, server: RunningServer) -> None:
    camera = authority.client("camera.example")
    with Client(at(server), tls=camera) as client:
        client.predict("sums", [[1.0, 1.0]])
    with Admin(at(server), tls=camera) as operator, pytest.raises(PermissionDeniedError) as refused:
        operator.load("sums")
    assert refused.value.facts["client"] == "camera"


def test_a_certificate_that_is_not_listed_has_no_role(authority: Authority, server: RunningServer) -> None:
    with Client(at(server), tls=authority.client("other.example")) as client, pytest.raises(UnauthenticatedError):
        client.models()


def test_a_token_goes_before_the_certificate(authority: Authority, server: RunningServer) -> None:
    camera = authority.client("camera.example")
    with Admin(at(server), tls=camera, token=token_of("operator")) as operator:
        operator.load("sums")
    with Client(at(server), tls=camera, token=token_of("nobody")) as client, pytest.raises(SoloistError) as refused:
        client.models()
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


def test_without_tokens_a_certificate_is_what_lets_a_caller_in(authority: Authority, tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {"transport": "httpunk", "tls_client_certificate": "optional", **authority.files}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        with Client(at(server), tls=authority.client("camera.example")) as client:
            client.predict("sums", [[1.0, 1.0]])
        nameless = TLS(root_certificates=authority.ca.cert_pem.bytes())
        with Client(at(server), tls=nameless) as client:
            assert client.ready()
            with pytest.raises(UnauthenticatedError):
                client.predict("sums", [[1.0, 1.0]])
