"""A short run of `python -m bench.gates`: every gate passes on both transports, or says what grpc.aio can't do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.gates.__main__ import GATES, main
from tests.graphs import Sums


@pytest.fixture(scope="module")
def repository_of_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("gates") / "repository"
    Sums(name="sums").write(repository)
    return repository


def test_every_gate_passes(repository_of_one: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["--repository", str(repository_of_one), "--out", str(tmp_path), "--short"])
    assert found.exit_code == 0, found.output
    assert found.output.count(" pass ") == len(GATES)
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_what_the_reference_cannot_tell_apart_is_no_failure(repository_of_one: Path, tmp_path: Path) -> None:
    flags = ["--transport", "grpc", "--short", "--only", "cancels", "--only", "metadata", "--only", "deadlines"]
    flags += ["--only", "callers", "--only", "PING", "--only", "SETTINGS"]
    found = CliRunner().invoke(main, ["--repository", str(repository_of_one), "--out", str(tmp_path), *flags])
    assert found.exit_code == 0, found.output
    assert found.output.count(" pass ") == 6
    assert "can't tell them apart" in found.output
