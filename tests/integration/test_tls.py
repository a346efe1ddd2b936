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
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from soloist import TLS, Client
from soloist.cli.main import main
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.graphs import Sums
from tests.integration.asking import ones
from tests.servers import SERVE, TRANSPORTS, RunningServer, environment, running_server


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
        ({"http_tls_certificate": Path(__file__)}, 2, "http_tls_certificate and http_tls_key have to be set both"),
        ({"http_tls_client_ca": Path(__file__)}, 2, "http_tls_client_ca only with them"),
        ({"http_tls_certificate": Path(__file__), "http_tls_key": Path(__file__)}, 1, "PEM"),
        ({"tls_client_ca": Path("/dev/zero")}, 1, "/dev/zero: is no regular file"),
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


@pytest.mark.parametrize("transport", TRANSPORTS[:1])
def test_a_transport_that_can_not_ask_for_certificates_says_so(certificates: Certificates, transport: str) -> None:
    given = {
        **certificates.files,
        "tls_client_certificate": "optional",
        "transport": transport,
        "repository": "nowhere",
    }
    done = subprocess.run(SERVE, capture_output=True, text=True, check=False, env=environment(given), timeout=60)
    assert (done.returncode, "set transport to httpunk" in done.stderr) == (2, True)


def test_a_key_with_a_password_is_refused_and_not_asked_for(certificates: Certificates, tmp_path: Path) -> None:
    key = load_pem_private_key(certificates.files["tls_key"].read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.pem").write_bytes(locked)
    given = {**certificates.files, "tls_key": tmp_path / "locked.pem", "repository": tmp_path, "grpc_port": 0}
    done = subprocess.run(
        [*SERVE, "--http-port", "0"], capture_output=True, text=True, check=False, env=environment(given), timeout=60
    )
    assert done.returncode == 1
    assert "locked.pem: " in done.stderr


def test_commands_show_a_certificate(mutual: RunningServer, certificates: Certificates, tmp_path: Path) -> None:
    shown = {
        "--tls-ca": certificates.client.root_certificates,
        "--tls-cert": certificates.client.certificate_chain,
        "--tls-key": certificates.client.private_key,
    }
    flags = ["--server", target(mutual)]
    for flag, content in shown.items():
        (tmp_path / flag[2:]).write_bytes(content or b"")
        flags += [flag, str(tmp_path / flag[2:])]
    for command in (["models"], ["admin", "index"]):
        done = CliRunner().invoke(main, [*command, *flags])
        assert done.exit_code == 0, done.output
        assert "sums" in done.stdout
    asked = CliRunner().invoke(main, ["predict", "sums", "--format", "csv", "--json", *flags], input="1,2\n3,4\n")
    assert asked.exit_code == 0, asked.output
    # Without its key, without one, and without TLS.
    assert "belong together" in CliRunner().invoke(main, ["models", *flags[:6]]).output
    for few in (flags[:4], flags[:2]):
        refused = CliRunner().invoke(main, ["models", *few, "--timeout-seconds", "1"])
        assert (refused.exit_code, refused.stdout) == (1, "")
