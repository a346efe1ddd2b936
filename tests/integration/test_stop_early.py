"""SIGTERM while a server starts: it ends at once and well, also as process 1, where signals are dropped unheard."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.graphs import Sums
from tests.servers import SERVE, environment
from tests.third_party import POOLED, ThirdPartyModel

# Until Python runs a line of ours, a signal ends it as it does any program.
MOMENTS = (0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


def start(repository: Path, *before: str, load_trial: bool = True) -> subprocess.Popen[str]:
    command = [*before, *SERVE, "--repository", str(repository), "--grpc-port", "0", "--http-port", "0"]
    # A process that may leave no core hides its files in /proc.
    env = environment({"core_dumps": True, "load_trial": load_trial})
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def has_handler(pid: int) -> bool:
    """Tell whether a process hears SIGTERM."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def await_handler(pid: int) -> None:
    give_up = time.monotonic() + 30
    while not has_handler(pid):
        assert time.monotonic() < give_up


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_hears_signals_before_anything_heavy_is_imported(tmp_path: Path, number: signal.Signals) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with start(tmp_path / "repository") as process:
        await_handler(process.pid)
        assert "onnxruntime" not in Path(f"/proc/{process.pid}/maps").read_text()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (0, "", "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
def test_it_ends_well_whenever_the_signal_comes(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    for moment in MOMENTS:
        with start(tmp_path / "repository") as process:
            await_handler(process.pid)
            time.sleep(moment)  # it is the moments between that are looked for
            process.terminate()
            _, stderr = process.communicate(timeout=30)
        assert process.returncode == 0, (moment, stderr)
        assert "Traceback" not in stderr


def _may_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "--pid", "--fork", "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _may_unshare(), reason="no namespace of processes may be made here")
def test_process_1_hears_signals_as_early(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    for moment in (0.0, 0.1, 0.4):
        with start(tmp_path / "repository", "unshare", "--pid", "--fork", "--kill-child") as process:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            give_up = time.monotonic() + 30
            while not (found := children.read_text().split()):
                assert time.monotonic() < give_up
            await_handler(int(found[0]))
            time.sleep(moment)
            os.kill(int(found[0]), signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode == 0, moment


@pytest.mark.parametrize("load_trial", [True, False])
def test_a_model_that_is_loading_holds_up_nothing(tmp_path: Path, load_trial: bool) -> None:
    """Its first run goes on for hours."""
    graph = """endless (float[B,T,2] x) => (float[B,T,2] y) {
  count = Constant <value = int64 {1000000000000}> ()
  yes = Constant <value = bool {1}> ()
  y = Loop (count, yes, x) <
    body = each (int64 index, bool go, float[B,T,2] before) => (bool on, float[B,T,2] behind) {
      on = Identity (go)
      behind = Tanh (before)
    }
  >
}"""
    config = 'max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    config += 'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    endless = ThirdPartyModel(
        name="endless", graph=graph, config=config, frames=POOLED.frames, feed=POOLED.feed, outputs={}
    )
    endless.write(tmp_path / "repository")
    with start(tmp_path / "repository", load_trial=load_trial) as process:
        assert process.stderr is not None
        await_handler(process.pid)
        give_up = time.monotonic() + 30
        while not _is_loading(process.pid):
            if time.monotonic() > give_up:
                process.kill()
                pytest.fail("no model is loading")
        process.terminate()
        process.communicate(timeout=15)
    assert process.returncode == 0


def _is_loading(pid: int) -> bool:
    """Return whether a process, or one that it has started for a trial, runs a model for long."""
    try:
        running = b"onnxruntime" in Path(f"/proc/{pid}/maps").read_bytes() and _cpu(pid) > 2.0
        return running or any(map(_is_loading, _children(pid)))
    except OSError:  # it has just ended
        return False


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
