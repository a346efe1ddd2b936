"""The trial loads: what happens to the process of a load is told, and happens to nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from service.core.errors import Reason, ServiceError
from service.engine.cancel_scope import CancelScope
from service.engine.model_file import ModelFileError, ModelLimits, read_model_file
from service.loading.trials import TrialPolicy, Trials
from tests.graphs import Sums
from tests.hostile.graphs import endless

_POLICY = TrialPolicy(seconds=60, load_bytes=2**30, limits=ModelLimits())


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    made = Trials(_POLICY)
    yield made
    made.close()


@pytest.fixture
def lasting(tmp_path: Path) -> Path:
    path = tmp_path / "endless" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(endless().SerializeToString())
    return path


def test_the_sha256_is_that_of_what_was_tried(trials: Trials, tmp_path: Path) -> None:
    path = Sums(name="sums").write(tmp_path)
    assert trials.try_out(path) == read_model_file(path).sha256


def test_a_file_that_crashes_its_load_is_refused(trials: Trials, lasting: Path) -> None:
    with pytest.raises(ModelFileError, match=r"crashed \(SIGSEGV\)"):
        _meanwhile(lambda: trials.try_out(lasting), lambda child: os.kill(child, signal.SIGSEGV))


def test_a_load_that_the_system_ends_is_refused(trials: Trials, lasting: Path) -> None:
    with pytest.raises(ModelFileError, match="memory ran short"):
        _meanwhile(lambda: trials.try_out(lasting), lambda child: os.kill(child, signal.SIGKILL))


def test_a_load_that_was_cancelled_ends(trials: Trials, lasting: Path) -> None:
    scope, children = CancelScope(), []

    def cancel(child: int) -> None:
        children.append(child)
        scope.cancel(ServiceError(Reason.DEADLINE_EXCEEDED))

    def work() -> None:
        with scope:
            trials.try_out(lasting)

    with pytest.raises(ServiceError) as caught:
        _meanwhile(work, cancel)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert _in_time(lambda: children[0] not in _trial_children())


def test_a_host_that_was_started_before_takes_the_first_trial(tmp_path: Path) -> None:
    before = set(_hosts())
    made = Trials(_POLICY)
    made.start()
    started = set(_hosts()) - before
    made.start()
    assert made.try_out(Sums(name="sums").write(tmp_path))
    assert set(_hosts()) - before == started
    assert len(started) == 1
    made.close()
    assert set(_hosts()) == before


def test_a_host_that_died_is_started_again(trials: Trials, tmp_path: Path) -> None:
    path = Sums(name="sums").write(tmp_path)
    trials.try_out(path)
    for host in _hosts():
        os.kill(host, signal.SIGKILL)
    assert trials.try_out(path)


def test_a_load_that_takes_too_long_is_refused(lasting: Path) -> None:
    hasty = Trials(TrialPolicy(seconds=1, load_bytes=2**30))
    with pytest.raises(ModelFileError, match="longer than 1 s, half of load_timeout_seconds"):
        hasty.try_out(lasting)
    hasty.close()


def _meanwhile(work: Callable[[], object], do: Callable[[int], object]) -> None:
    """Do something to the process of a trial that is under way."""

    def find() -> None:
        assert _in_time(lambda: bool(_trial_children()))
        do(_trial_children()[0])

    thread = threading.Thread(target=find)
    thread.start()
    try:
        work()
    finally:
        thread.join()


def _children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _hosts() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += [int(each) for each in (task / "children").read_text().split()]
    return [each for each in found if b"trial_host" in Path(f"/proc/{each}/cmdline").read_bytes()]


def _trial_children() -> list[int]:
    return [child for host in _hosts() for child in _children(host)]


def _in_time(reported: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + 30
    while not reported():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True
