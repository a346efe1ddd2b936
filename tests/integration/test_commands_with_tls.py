"""Commands that load, simulate or ask a server: over TLS, with a certificate and a token to show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from tests.graphs import Sums
from tests.integration.tokens import token_of, write_tokens
from tests.servers import RunningServer, running_server

MODEL = Sums(name="sums")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    for name, host in (("server", "localhost"), ("client", "a-client")):
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    write_tokens(folder / "tokens.toml", {"one": ["infer"]})
    (folder / "token").write_text(token_of("one"))
    (folder / "token").chmod(0o600)
    np.save(folder / "frames.npy", np.ones((5, 2), np.float32))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, transport: str) -> Iterator[RunningServer]:
    manifest = MODEL.manifest
    manifest.labels.extend(["a", "b"])
    MODEL.write(folder / transport, manifest=manifest)
    files: dict[str, Any] = {
        "tls_certificate": folder / "server.pem",
        "tls_key": folder / "server.key",
        "tls_client_ca": folder / "ca.pem",
    }
    with running_server(
        folder / transport, folder, transport=transport, tokens_file=folder / "tokens.toml", **files
    ) as it:
        yield it


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "soloist.cli.main", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def options(folder: Path, server: RunningServer) -> list[str]:
    files = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key"}
    tls = [part for name, file in files.items() for part in (f"--tls-{name}", str(folder / file))]
    port = server.grpc.rpartition(":")[2]
    return ["--server", f"localhost:{port}", *tls, "--token-file", str(folder / "token")]


def test_a_load(folder: Path, server: RunningServer) -> None:
    asked = ("bench", "--model", "sums", "--seconds", "0.3", "--json", "--input", str(folder / "frames.npy"))
    done = run(*asked, "--mode", "mixed", "--processes", "2", *options(folder, server))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["answered"] == printed["scheduled"] > 0
    assert token_of("one") not in done.stdout + done.stderr


def test_a_load_without_what_the_server_asks_for(folder: Path, server: RunningServer) -> None:
    given = options(folder, server)
    asked = ("bench", "--model", "sums", "--seconds", "0.3", "--timeout-seconds", "2")
    without_token, without_tls = run(*asked, *given[:-2]), run(*asked, *given[:2])
    assert (without_token.returncode, without_tls.returncode) == (1, 1)
    assert "TOKEN_MISSING" in without_token.stderr
    httpunk = run(*asked, *given, "--client", "httpunk")
    assert (httpunk.returncode, "takes neither TLS nor a token" in httpunk.stderr) == (2, True)


def test_a_simulation(folder: Path, server: RunningServer) -> None:
    asked = ("simulate", "--model", "sums", "--task", "vowels", "--seconds", "0.2", "--no-labels")
    done = run(*asked, *options(folder, server))
    # It got through: what is refused is the data, which isn't the model's.
    assert (done.returncode, "does not tell the classes of vowels" in done.stderr) == (2, True), done.stderr
    assert "TOKEN_MISSING" in run(*asked, *options(folder, server)[:-2]).stderr


def test_the_doctor(folder: Path, server: RunningServer) -> None:
    given = ["--target", *options(folder, server)[1:]]
    asked = ("doctor", "--repository", str(folder / "grpc"), "--no-models", "--json")
    found = json.loads(run(*asked, *given).stdout)
    told = [each for each in found["findings"] if each["area"] == "running server"]
    assert "answers; 1 of 1 versions are ready" in told[0]["found"]
    refused = json.loads(run(*asked, *given[:2]).stdout)
    assert any(each["area"] == "running server" and each["verdict"] == "wrong" for each in refused["findings"])


@pytest.mark.parametrize("command", [("predict", "sums"), ("bench", "--model", "sums", "--allow-remote")])
def test_a_token_goes_to_another_machine_over_tls_only(folder: Path, command: tuple[str, ...]) -> None:
    shown = ["--server", "example.invalid:8001", "--token-file", str(folder / "token"), "--timeout-seconds", "0.5"]
    plain, secure = run(*command, *shown), run(*command, *shown, "--tls-ca", str(folder / "ca.pem"))
    assert (plain.returncode, "use TLS" in plain.stderr) == (2, True)
    assert (secure.returncode, "use TLS" in secure.stderr) == (1, False)
