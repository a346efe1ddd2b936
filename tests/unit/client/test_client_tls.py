"""The client over TLS."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest

from soloist import NO_RETRY, TLS, AsyncClient, Client, UnavailableError
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


def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()
