"""TLS on the gRPC port, on both transports: who is trusted, who isn't, and what is wrong with the files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from soloist import TLS, Client
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.graphs import Sums
from tests.integration.asking import ones
from tests.servers import SERVE, RunningServer, environment, running_server


@dataclass(frozen=True)
class Certificates:
    """Files for a server, and what a client of its authority shows."""

    files: dict[str, Path]
    client: TLS

    @property
    def without_one(self) -> TLS:
        return TLS(root_certificates=self.client.root_certificates)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("a-client")
    files = {name: folder / f"{name}.pem" for name in ("tls_certificate", "tls_key", "tls_client_ca")}
    server.cert_chain_pems[0].write_to_path(files["tls_certificate"])
    server.private_key_pem.write_to_path(files["tls_key"])
    authority.cert_pem.write_to_path(files["tls_client_ca"])
    shown = TLS(
        root_certificates=authority.cert_pem.bytes(),
        certificate_chain=client.cert_chain_pems[0].bytes(),
        private_key=client.private_key_pem.bytes(),
    )
    return Certificates(files, shown)


@pytest.fixture(scope="module")
def mutual(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, transport: str
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("tls")
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {"transport": transport, "handshake_timeout_seconds": 1, **certificates.files}
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


def target(server: RunningServer) -> str:
    return server.grpc.replace("127.0.0.1", "localhost")


def test_a_caller_that_is_trusted_is_answered(mutual: RunningServer, certificates: Certificates) -> None:
    with Client(target(mutual), tls=certificates.client) as client, client.stream("sums") as stream:
        assert client.predict("sums", [[1.0, 2.0]]).outputs.tolist() == [1.0, 2.0]
        assert stream.send([[1.0, 2.0]]).outputs.tolist() == [1.0, 2.0]


def test_a_caller_that_is_not_trusted_is_not_answered(mutual: RunningServer, certificates: Certificates) -> None:
    roots = certificates.without_one.root_certificates
    without = grpc.ssl_channel_credentials(roots)
    strange = trustme.CA().issue_cert("a-client")
    other = grpc.ssl_channel_credentials(roots, strange.private_key_pem.bytes(), strange.cert_chain_pems[0].bytes())
    channels = [
        grpc.insecure_channel(target(mutual)),
        *(grpc.secure_channel(target(mutual), each) for each in (without, other)),
    ]
    for channel in channels:
        with channel, pytest.raises(grpc.RpcError) as caught:
            SequenceInferenceStub(channel).Predict(pb.PredictRequest(model="sums", frames=ones(3)), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with Client(target(mutual), tls=certificates.client) as client:
        assert client.predict("sums", [[1.0, 2.0]]).frame_count == 1


def test_a_server_may_show_a_certificate_without_asking_for_one(
    mutual: RunningServer, certificates: Certificates, tmp_path: Path, transport: str
) -> None:
    settings: dict[str, Any] = {"transport": transport, **certificates.files}
    del settings["tls_client_ca"]
    with (
        running_server(mutual.repository, tmp_path, **settings) as server,
        Client(target(server), tls=certificates.without_one) as client,
    ):
        assert client.predict("sums", [[1.0, 2.0]]).frame_count == 1


@pytest.mark.parametrize(
    ("missing", "code", "words"),
    [
        ({"tls_key": None}, 2, "tls_certificate and tls_key have to be set both"),
        ({"tls_certificate": None, "tls_key": None}, 2, "tls_client_ca only with them"),
        ({"tls_key": Path("/nowhere.pem")}, 1, "No such file"),
        ({"tls_certificate": Path(__file__)}, 1, "PEM"),
    ],
)
def test_files_that_do_not_fit_are_named(
    mutual: RunningServer, certificates: Certificates, missing: dict[str, Path | None], code: int, words: str
) -> None:
    given = {name: path for name, path in {**certificates.files, **missing}.items() if path is not None}
    command = [*SERVE, "--repository", str(mutual.repository), "--grpc-port", "0", "--http-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(given), timeout=60)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("soloist: ")
    assert words in done.stderr
