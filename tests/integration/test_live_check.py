"""A real server watches its promise: a model that breaks it is found, kept and reproduced; a sound one counts equal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soloist import Client
from tests.contract.planted import FAULTS, sound
from tests.servers import RunningServer, eventually, running_server

CHECKS = "soloist_invariance_checks_total"
CALLERS, CALLS = 16, 200
# What a base install has not.
ABSENT = ("torch", "onnx", "onnxscript", "rich", "models", "export", "bench", "demo")


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[RunningServer]:
    """Serve the planted model in `folder`/repository with one worker, so that calls gather; check every answer."""
    everything = {"live_check_ratio": 1, "workers": 1, "log_format": "json", "batch_uncertified": True, **settings}
    with running_server(folder / "repository", folder, **everything) as server:
        yield server


def artifact(folder: Path) -> Path:
    return folder / "repository" / "planted" / "1" / "model.onnx"


def ask_at_once(server: RunningServer) -> None:
    """Send sequences of many lengths and sizes from many callers."""
    rng = np.random.default_rng(0)
    sequences: Sequence[NDArray[np.float32]] = [
        (rng.standard_normal((int(rng.integers(1, 40)), 7)) * rng.choice([1, 50])).astype(np.float32)
        for _ in range(CALLS)
    ]
    with Client(server.grpc) as client, ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(lambda frames: client.predict("planted", frames), sequences))


def checked(server: RunningServer) -> dict[str, float]:
    """Ask until some checks have come to an end; return how they did."""

    def ended() -> bool:
        return server.total(CHECKS, outcome="equal") + server.total(CHECKS, outcome="different") >= 10

    for _ in range(20):
        ask_at_once(server)
        if ended():
            break
    assert eventually(ended)
    return {dict(labels)["outcome"]: value for labels, value in server.samples()[CHECKS].items()}


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Call `soloist replay` where nothing but a base install can be imported."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({ABSENT!r}));"
        "from soloist.cli.main import main; main(prog_name='soloist')"
    )
    command = [sys.executable, "-c", program, "replay", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold what a server left behind whose model quantises all that shares a run alike: repro bundles, log, counts."""
    folder = tmp_path_factory.mktemp("broken")
    FAULTS["dynamic-quantised"][0](artifact(folder))
    with serving(folder, repro_bundle_dir=folder / "repro bundles") as server:
        counts = checked(server)
        server.ask_to_stop()
        assert server.exit_code() == 0
    (folder / "counts.json").write_text(json.dumps(counts))
    (folder / "errors.json").write_text(json.dumps([line for line in server.log() if line["level"] == "error"]))
    return folder


def test_a_model_that_breaks_the_promise_is_found(broken: Path) -> None:
    counts = json.loads((broken / "counts.json").read_text())
    assert counts["different"] > 0
    assert counts["failed"] == 0
    errors = json.loads((broken / "errors.json").read_text())
    assert len(errors) >= counts["different"]
    assert {(line["logger"], line["model"], line["version"]) for line in errors} == {
        ("soloist.live_check", "planted", 1)
    }


def test_its_repro_bundles_are_bounded_and_private(broken: Path) -> None:
    files = list((broken / "repro bundles").iterdir())
    assert 0 < len(files) <= 20
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    reported = {line["bundle"] for line in json.loads((broken / "errors.json").read_text())}
    assert {str(file) for file in files} <= reported


def test_a_repro_bundle_is_reproduced_on_its_model(broken: Path) -> None:
    for bundle in sorted((broken / "repro bundles").iterdir())[:3]:
        done = replay(bundle, "--repository", broken / "repository", "--json")
        reported = json.loads(done.stdout)
        assert (done.returncode, done.stderr) == (0, "")
        assert reported["reproduced"]
        assert reported["same_model"]
        assert reported["same_fingerprint"]
        assert reported["then"]["tensor"] in {"y", "s"}
        assert reported["alone_then_and_now"] is None
        assert {trial["neighbour_scale"] for trial in reported["trials"]} == {1.0, 100.0, 0.0}


def test_a_sound_model_does_not_reproduce_it(broken: Path, tmp_path: Path) -> None:
    bundle = next((broken / "repro bundles").iterdir())
    done = replay(bundle, "--model", sound(artifact(tmp_path)))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "not reproduced"
    assert "a different one" in done.stdout


def test_what_can_not_be_read_is_told_apart(broken: Path, tmp_path: Path) -> None:
    bundle = next((broken / "repro bundles").iterdir())
    no_repro_bundle = tmp_path / "no.npz"
    no_repro_bundle.write_bytes(b"text")
    for arguments in (
        (no_repro_bundle, "--repository", broken / "repository"),
        (bundle, "--repository", tmp_path),
        (bundle, "--model", no_repro_bundle),
        (bundle,),
    ):
        done = replay(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith(("soloist: ", "Usage: "))


def test_a_sound_model_counts_only_equal(tmp_path: Path) -> None:
    sound(artifact(tmp_path))
    with serving(tmp_path, repro_bundle_dir=tmp_path / "repro bundles") as server:
        counts = checked(server)
    assert counts["equal"] >= 10
    assert (counts["different"], counts["failed"]) == (0, 0)
    assert list((tmp_path / "repro bundles").iterdir()) == []


def test_without_a_share_nothing_is_checked(tmp_path: Path) -> None:
    sound(artifact(tmp_path))
    with serving(tmp_path, live_check_ratio=0) as server:
        ask_at_once(server)
        assert server.total(CHECKS) == 0
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_a_folder_that_can_not_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    sound(artifact(tmp_path))
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "soloist.cli.main", "serve", "--repository", str(tmp_path / "repository")]
    settings = tmp_path / "settings.toml"
    settings.write_text(f'repro_bundle_dir = "{tmp_path / "file"}"\ngrpc_port = 0\nhttp_port = 0\n')
    done = subprocess.run(
        [*command, "--config", str(settings)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith("soloist: ")
    assert done.stdout == ""
