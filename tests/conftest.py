"""Fixtures that several rooms of tests share: a small exported repository, and a real server over it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import service.engine.onnx_runtime  # noqa: F401  # before any test imports it: telemetry is off
from tests.servers import RunningServer, running_server

__all__ = ["RunningServer"]

_LOOPBACK = "localhost,127.0.0.1,::1"
SMALL_MODELS = ("vowels-lstm-layer", "vowels-tcn-batch", "vowels-tcn-layer", "vowels-transformer-layer")


@pytest.fixture(scope="session", autouse=True)
def _signals_as_usual() -> None:
    """Let servers that tests start hear signals, also when the tests run under nohup, whose children ignore them."""
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _no_proxy_before_loopback() -> Iterator[None]:
    """Let what tests ask on this machine, and the programs they start, go past any proxy of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("no_proxy", "NO_PROXY"):
            given = os.environ.get(name)
            patch.setenv(name, f"{given},{_LOOPBACK}" if given else _LOOPBACK)
        yield


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
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serve the small repository on free ports, in a process of its own."""
    with running_server(repository, tmp_path_factory.mktemp("logs")) as server:
        yield server
        server.ask_to_stop()
        assert server.exit_code() == 0
