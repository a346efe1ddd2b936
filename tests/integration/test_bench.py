"""`soloist bench` against a server that it starts itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.graphs import Sums

MODEL = Sums(name="sums")
BENCH = (sys.executable, "-m", "soloist.cli.main", "bench", "--model", MODEL.name, "--seconds", "0.5", "--json")


@pytest.mark.parametrize(
    "options",
    [
        ("--callers", "4", "--processes", "2"),
        ("--rate", "20", "--mode", "stream", "--chunk-frames", "1", "--chunk-interval-seconds", "0.05"),
    ],
)
def test_every_request_to_a_real_server_is_answered(tmp_path: Path, options: tuple[str, ...]) -> None:
    MODEL.write(tmp_path / "repository", manifest=MODEL.manifest)
    np.save(tmp_path / "frames.npy", np.ones((5, 2), np.float32))
    files = ("--serve", str(tmp_path / "repository"), "--frames-file", str(tmp_path / "frames.npy"))
    done = subprocess.run([*BENCH, *files, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["answered"] == printed["scheduled"] > 0
    assert (printed["chunk"] is None) == ("--mode" not in options)
