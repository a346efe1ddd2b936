"""The client over TLS."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest
from click.testing import CliRunner

from soloist import NO_RETRY, TLS, AsyncClient, Client, UnavailableError
from soloist.cli.main import main
from soloist.v1 import sequence_inference_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.client.conftest import FakeServer

FRAMES = np.ones((3, 2), np.float32)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Make a certificate for localhost that is its own authority: (certificate, key)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return _read(folder, "certificate.pem"), _read(folder, "key.pem")


@pytest.fixture
def secure(fake: FakeServer, certificate: tuple[bytes, bytes]) -> Iterator[str]:
    chain, key = certificate
    with ThreadPoolExecutor(max_workers=2) as pool:
        server = grpc.server(pool)
        sequence_inference_pb2_grpc.add_SequenceInferenceServicer_to_server(fake, server)
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, chain)]))
        server.start()
        yield f"localhost:{port}"
        server.stop(grace=None).wait()


def test_trusts_the_certificate_it_is_given(secure: str, certificate: tuple[bytes, bytes]) -> None:
    with Client(secure, tls=TLS(root_certificates=certificate[0])) as client:
        assert client.predict("sums", FRAMES).label == "left"


async def test_trusts_no_other_async(secure: str) -> None:
    async with AsyncClient(secure, tls=TLS(), retry=NO_RETRY) as client:
        with pytest.raises(UnavailableError):
            await client.predict("sums", FRAMES)


def test_files_are_read(secure: str, certificate: tuple[bytes, bytes], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate[0])
    with Client(secure, tls=TLS.from_files(ca=tmp_path / "ca.pem")) as client:
        assert client.predict("sums", FRAMES).label == "left"
    with pytest.raises(FileNotFoundError):
        TLS.from_files(ca=tmp_path / "nowhere.pem")


GARBAGE = [b"", b"no certificate", bytes(range(256)), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_certificate_is_refused_before_anything_is_sent(
    certificate: tuple[bytes, bytes], garbage: bytes
) -> None:
    chain, key = certificate
    with pytest.raises(ValueError, match="root_certificates: it holds no certificate in PEM"):
        TLS(root_certificates=garbage)
    with pytest.raises(ValueError, match="certificate_chain: it holds no certificate in PEM"):
        TLS(certificate_chain=garbage, private_key=key)
    with pytest.raises(ValueError, match="private_key: it holds no private key in PEM"):
        TLS(certificate_chain=chain, private_key=garbage)


def test_keys_that_cannot_be_used_are_refused(certificate: tuple[bytes, bytes]) -> None:
    chain, key = certificate
    with pytest.raises(ValueError, match="belong together"):
        TLS(certificate_chain=chain)
    with pytest.raises(ValueError, match="belong together"):
        TLS(private_key=key)
    with pytest.raises(ValueError, match="damaged private key"):
        TLS(certificate_chain=chain, private_key=key.replace(b"KEY-----\n", b"KEY-----\n*", 1))
    with pytest.raises(ValueError, match="has a password"):
        TLS(certificate_chain=chain, private_key=key.replace(b"PRIVATE", b"ENCRYPTED PRIVATE"))


def test_a_bundle_may_have_comments(certificate: tuple[bytes, bytes]) -> None:
    chain, key = certificate
    TLS(root_certificates="# Autoridad de Certificación\n".encode() + chain + b"# another\n" + chain)
    TLS(certificate_chain=key + chain, private_key=chain + key)


def test_a_file_that_is_no_certificate_is_named(certificate: tuple[bytes, bytes], tmp_path: Path) -> None:
    garbage, chain, key = (tmp_path / name for name in ("garbage.pem", "chain.pem", "key.pem"))
    for path, content in ((garbage, b"no certificate"), (chain, certificate[0]), (key, certificate[1])):
        path.write_bytes(content)
    for files in ({"ca": garbage}, {"certificate": garbage, "key": key}, {"certificate": chain, "key": garbage}):
        with pytest.raises(ValueError, match=re.escape(f"{garbage}: it holds no")):
            TLS.from_files(**files)


@pytest.mark.parametrize(
    "command", ["predict m", "stream m", "models", "admin index", "skew m", "compare m", "bench --model m"]
)
def test_commands_name_the_option_and_the_file(certificate: tuple[bytes, bytes], tmp_path: Path, command: str) -> None:
    garbage, chain, key = (tmp_path / name for name in ("garbage.pem", "chain.pem", "key.pem"))
    for path, content in ((garbage, b"no certificate"), (chain, certificate[0]), (key, certificate[1])):
        path.write_bytes(content)
    for option, files in (
        ("--tls-ca", ["--tls-ca", garbage]),
        ("--tls-cert", ["--tls-cert", garbage, "--tls-key", key]),
        ("--tls-key", ["--tls-cert", chain, "--tls-key", garbage]),
    ):
        result = CliRunner().invoke(
            main, [*command.split(), *map(str, files), "--server", "localhost:1"], input="1,2\n"
        )
        assert (result.exit_code, f"{option}: {garbage}: it holds no" in result.stderr) == (2, True), result.output


@pytest.fixture(scope="module", params=["ec -pkeyopt ec_paramgen_curve:prime256v1", "rsa:2048"])
def other_key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the key of another certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path_factory.mktemp("other")
    command = f"openssl req -x509 -newkey {request.param} -nodes -days 1 -subj /CN=localhost -keyout key.pem -out c.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "key.pem"


def test_a_key_of_another_certificate_is_refused(
    certificate: tuple[bytes, bytes], other_key: Path, tmp_path: Path
) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(certificate[0])
    with pytest.raises(ValueError, match=r"^private_key: it is the private key of another certificate$"):
        TLS(certificate_chain=certificate[0], private_key=other_key.read_bytes())
    with pytest.raises(ValueError, match=re.escape(f"{other_key}: it is the private key of another certificate")):
        TLS.from_files(certificate=chain, key=other_key)
    options = ["--tls-cert", str(chain), "--tls-key", str(other_key), "--server", "localhost:1"]
    result = CliRunner().invoke(main, ["models", *options])
    assert (result.exit_code, "--tls-key: " in result.stderr, "of another certificate" in result.stderr) == (
        2,
        True,
        True,
    )


def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()
