"""Programs of others show a token each in its own way: grpcurl, tritonclient, Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.foreign_environment import GO_CLIENTS, TRITON_CLIENT, UnavailableError, folder_with, or_skip
from tests.e2e.prometheus_process import program_or_skip, running_prometheus
from tests.graphs import Sums
from tests.integration.tokens import token_of, write_tokens
from tests.servers import RunningServer, running_server

PROGRAM = Path(__file__).parent / "foreign" / "triton_token_program.py"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("guarded")
    Sums(name="sums").write(folder / "repository")
    tokens = write_tokens(folder / "tokens.toml")
    with running_server(folder / "repository", folder, tokens_file=tokens, transport=transport) as server:
        yield server


def run(packages: tuple[str, ...], program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an environment of these packages."""
    try:
        found = folder_with(*packages) / "bin" / program
    except UnavailableError as error:
        or_skip(error)
        raise
    return subprocess.run((str(found), *arguments), capture_output=True, text=True, check=False, timeout=120)


def test_grpcurl_shows_a_token_in_a_header(guarded: RunningServer) -> None:
    call = (guarded.grpc, "soloist.v1.SequenceInference/ListModels")
    header = ("-H", f"authorization: Bearer {token_of('infer')}")
    assert '"name": "sums"' in run(GO_CLIENTS, "grpcurl", "-plaintext", *header, *call).stdout
    refused = run(GO_CLIENTS, "grpcurl", "-plaintext", "-reflect-header", header[1], *call)
    assert "Unauthenticated" in refused.stderr


def test_tritonclient_shows_a_token_in_a_header(guarded: RunningServer) -> None:
    asked = (guarded.grpc, guarded.http, "sums", token_of("infer"))
    done = run((TRITON_CLIENT,), "python", str(PROGRAM), *asked)
    assert done.stdout.split() == ["OK", "StatusCode.UNAUTHENTICATED", "OK", "401"], done.stderr


def test_prometheus_shows_the_token_of_a_file(guarded: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.token"
    file.write_text("no-token\n")
    place = {"/run/soloist/prometheus.token": str(file), "scrape_interval: 5s": "scrape_interval: 200ms"}
    with running_prometheus(program_or_skip(), "with-token.yml", guarded.http, tmp_path, place) as prometheus:
        prometheus.wait_for("a refused scrape", lambda: prometheus.query('up{job="soloist"}') == [0.0])
        file.write_text(token_of("monitor") + "\n")  # read again for every scrape
        prometheus.wait_for("a scrape", lambda: prometheus.query('up{job="soloist"}') == [1.0])
