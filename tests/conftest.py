"""Fixtures that several rooms of tests share: a small exported repository, and a real server over it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SMALL_MODELS = ("vowels-lstm-layer", "vowels-tcn-batch", "vowels-tcn-layer", "vowels-transformer-layer")


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server in its own process, and where it listens (host:port)."""

    process: subprocess.Popen[str]
    grpc: str
    http: str
    repository: Path


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold one version of every small model, trained for one epoch: the tests need real graphs, not good ones."""
    from export import export_checkpoint
    from models import zoo
    from models.data import load
    from models.training import train

    folder = tmp_path_factory.mktemp("repository")
    dataset = load("vowels")
    for name in SMALL_MODELS:
        _task, architecture, config = zoo.configuration(name)
        checkpoint = train(dataset, architecture, config, seed=0, epochs=1)
        export_checkpoint(checkpoint, folder, name=name, version=1, dataset=dataset)
    return folder


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[RunningServer]:
    """Serve the small repository on free ports, in a process of its own."""
    command = [sys.executable, "-m", "soloist.cli.main", "serve", "--repository", str(repository)]
    command += ["--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("soloist: serving"), line
        where = dict(part.split("=", 1) for part in line.split()[2:])
        yield RunningServer(process=process, grpc=where["grpc"], http=where["http"], repository=repository)
        process.terminate()
        assert process.wait(timeout=30) == 0
