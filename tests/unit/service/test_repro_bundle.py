"""Capsules: nothing is lost on the way to disk and back, the folder is bounded, and a replay tells what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.runner import Row, RowResult
from service.observers.live_check.replay import replay
from service.observers.live_check.repro_bundle import (
    FORMAT,
    Header,
    ReproBundle,
    ReproBundleError,
    ReproBundleFolder,
    pack,
    read,
)
from service.observers.live_check.run_trace import RunShape
from tests.servables import GatedRunner, servable
from tests.unit.service.leaky import ForgetfulRunner, LeakyRunner


def bundle(*runs: RunShape, given: float = 3.0) -> ReproBundle:
    """An answer of three frames that should have ended with 3."""
    header = Header(
        time="2026-01-02T03:04:05+00:00",
        model="gated",
        version=1,
        model_sha256="",
        fingerprint={"cpu_model": "some"},
        states=["sum"],
        runs=list(runs) or [RunShape(lengths=(3, 5), row=0)],
        piece_frames=100,
    )
    sums = np.array([[1.0], [2.0], [3.0]], np.float32)
    states = {"sum": np.array([[3.0]], np.float32)}
    return ReproBundle(
        header=header,
        row=Row(frames=np.ones((3, 1), np.float32), states={"sum": np.zeros((1, 1), np.float32)}),
        given=RowResult(outputs=np.where(sums == 3, np.float32(given), sums), states=states),
        alone=RowResult(outputs=sums, states=states),
    )


def test_a_repro_bundle_comes_back_bit_for_bit(tmp_path: Path) -> None:
    written = bundle(given=float("nan"))
    path = ReproBundleFolder(path=tmp_path).put(pack(written))
    assert path is not None
    found = read(path)
    assert found.header == written.header
    assert found.row.frames.tobytes() == written.row.frames.tobytes()
    for one, other in ((found.given, written.given), (found.alone, written.alone)):
        assert one.outputs.tobytes() == other.outputs.tobytes()
        assert one.states["sum"].tobytes() == other.states["sum"].tobytes()


def test_a_repro_bundle_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = ReproBundleFolder(path=tmp_path / "new" / "repro bundles")
    folder.prepare()
    path = folder.put(b"content")
    assert path is not None
    assert list(folder.path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_the_folder_is_bounded_in_files_and_in_bytes_over_restarts(tmp_path: Path) -> None:
    assert [bool(ReproBundleFolder(path=tmp_path, max_files=2).put(b"12345")) for _ in range(3)] == [True, True, False]
    assert ReproBundleFolder(path=tmp_path, max_bytes=14).put(b"12345") is None
    assert ReproBundleFolder(path=tmp_path, max_bytes=15).put(b"12345") is not None


def test_a_folder_that_is_a_file_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        ReproBundleFolder(path=tmp_path / "file").prepare()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "soloist.repro-bundle/99"},
        {"runs": [{"lengths": [3], "row": 1}]},
        {"runs": [{"lengths": [2], "row": 0}]},
        {"runs": [{"lengths": [0, 3], "row": 1}]},
        {"runs": None},
        {"states": ["sum", "another"]},
        {"piece_frames": 0},
        {"unknown": 1},
    ],
)
def test_a_repro_bundle_that_lies_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "lying.npz"
    path.write_bytes(pack(bundle()))
    with np.load(path) as arrays:
        kept = dict(arrays)
    fields = json.loads(kept["header"].tobytes())
    assert fields["format"] == FORMAT
    kept["header"] = np.frombuffer(json.dumps(fields | changes).encode(), np.uint8)
    np.savez(path, allow_pickle=False, **kept)
    with pytest.raises(ReproBundleError, match=r"lying\.npz"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"text", pack(bundle())[:200], b"PK\x05\x06" + bytes(18)])
def test_what_is_no_repro_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.npz"
    path.write_bytes(content)
    with pytest.raises(ReproBundleError, match=r"no\.npz"):
        read(path)


def test_a_fault_is_reproduced_and_its_dependence_on_the_neighbours_told() -> None:
    made = replay(bundle(given=3.5), servable(LeakyRunner(), batched=True), seed=1)
    assert made.is_reproduced
    assert made.alone is None
    assert made.then is not None
    assert [(trial.neighbour_scale, trial.differing) for trial in made.trials] == [(1.0, 4), (100.0, 4), (0.0, 4)]
    worst = [trial.worst.absolute for trial in made.trials if trial.worst is not None]
    assert worst[1] > worst[0] > worst[2]


def test_a_replay_makes_runs_of_the_same_shape() -> None:
    runner = GatedRunner()
    runs = (RunShape(lengths=(7, 2), row=1), RunShape(lengths=(1, 4, 4), row=0))
    made = replay(bundle(*runs), servable(runner, batched=True), seed=0)
    assert not made.is_reproduced
    shared = [run for run in runner.runs if len(run) > 1]
    assert shared == [[7, 2], [1, 4, 4]] * (len(shared) // 2)


def test_a_fault_of_the_cut_is_reproduced_without_neighbours() -> None:
    runs = (RunShape(lengths=(2,), row=0), RunShape(lengths=(1,), row=0))
    made = replay(bundle(*runs), servable(ForgetfulRunner(), sliced=True), seed=0)
    assert [(trial.neighbour_scale, trial.tries, trial.differing) for trial in made.trials] == [(None, 1, 1)]


def test_a_sound_model_reproduces_nothing() -> None:
    assert not replay(bundle(given=9.0), servable(GatedRunner(), batched=True), seed=0).is_reproduced


def test_the_same_seed_draws_the_same_neighbours() -> None:
    first, second = (replay(bundle(), servable(LeakyRunner(), batched=True), seed=5) for _ in range(2))
    assert first == second
