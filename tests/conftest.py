"""Fixtures that several rooms of tests share: a small exported repository, and a real server over it."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

import service.engine.onnx_runtime  # noqa: F401  # before any test imports it: telemetry is off
from tests.artifacts import copied
from tests.exporter import share_work_of_exports
from tests.servers import TRANSPORTS, RunningServer, running_server

__all__ = ["RunningServer"]

TESTS = Path(__file__).parent
# What takes longest, in the order in which it begins, so that no worker is left alone with it at the end.
# `make test-fast` leaves it out.
SLOW = (
    "contract/test_onnx_bits.py",
    "contract/test_quantised_bits.py",
    "e2e/test_demo.py",
    "e2e/test_demo_monitoring.py",
    "e2e/test_prometheus.py",
    "e2e/test_quickstart.py",
    "contract/test_onnx_bits_without_states.py",
    "contract/test_onnx_export.py",
    "unit/export/test_cost.py",
    "contract/test_controls.py",
    "contract/test_recalibration.py",
    "e2e/test_third_party.py",
    "integration/test_addresses.py",
    "unit/export/test_quantise_command.py",
    "e2e/test_images.py",
    "contract/test_probe.py",
    "integration/test_admission.py",
    "integration/test_inflight_bytes.py",
    "integration/test_stop.py",
    "integration/test_signals.py",
    "integration/test_loading.py",
    "integration/test_fresh_home.py",
    "integration/test_fuzz.py",
    "unit/models/test_precise.py",
    "unit/bench/test_monitoring_cost.py",
    "unit/bench/test_footprint.py",
    "unit/bench/test_large_model.py",
    "unit/demo/test_report.py",
    "unit/export/test_quantise_calibration.py",
)

_LOOPBACK = "localhost,127.0.0.1,::1"
SMALL_MODELS = ("vowels-lstm-layer", "vowels-tcn-batch", "vowels-tcn-layer", "vowels-transformer-layer")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors, at most four: tests of servers wait now and then."""
    return min(4, (os.cpu_count() or 1) + 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and put it first; of the rest, files with the most tests."""
    places = {TESTS / name: place for place, name in enumerate(SLOW)}
    counts = Counter(item.path for item in items)
    for item in items:
        if item.path in places:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (places.get(item.path, len(places)), -counts[item.path]))


def pytest_collection_finish() -> None:
    """Spare this process what does not depend on a test: the modules' objects are no garbage."""
    share_work_of_exports()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)  # an export makes a million objects


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


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Run a test, or the servers of a module, on both transports."""
    return str(request.param)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold one version of every small model, trained for one epoch: the tests need real graphs, not good ones."""
    return copied("small-models", export_small_models, tmp_path_factory.mktemp("repository"))


def export_small_models(folder: Path) -> None:
    from export import export_checkpoint
    from models import zoo
    from models.data import load
    from models.training import train

    dataset = load("vowels")
    for name in SMALL_MODELS:
        _task, architecture, config = zoo.configuration(name)
        checkpoint = train(dataset, architecture, config, seed=0, epochs=1)
        export_checkpoint(checkpoint, folder, name=name, version=1, dataset=dataset)


@pytest.fixture(scope="session")
def servers(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RunningServer]]:
    """Serve the small repository, a server for each transport that is asked for."""
    with ExitStack() as stack:

        @cache
        def serve(chosen: str) -> RunningServer:
            server = stack.enter_context(running_server(repository, tmp_path_factory.mktemp("logs"), transport=chosen))
            stack.callback(_end_well, server)
            return server

        yield serve


def _end_well(server: RunningServer) -> None:
    server.ask_to_stop()
    assert server.exit_code() == 0
