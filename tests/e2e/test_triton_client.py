"""The real tritonclient, in a process and an environment of its own, gets what our own client gets, bit for bit."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soloist import Client
from tests.conftest import SMALL_MODELS
from tests.e2e.foreign_environment import UnavailableError, or_skip, triton_python
from tests.servers import RunningServer

PROGRAM = Path(__file__).parent / "foreign" / "triton_program.py"
WAYS = {"unary", "unary_sequence", "row", "stream", "aio", "aio_stream"}
_LENGTHS = (1, 3, 7, 20, 29)


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return triton_python()
    except UnavailableError as error:
        or_skip(error)
        raise


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_every_way_to_ask_gives_the_same_bits(python: Path, server: RunningServer, model: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(30)
    sequences = [rng.normal(size=(length, 12)).astype(np.float32) for length in _LENGTHS]
    named: dict[str, Any] = {str(index): frames for index, frames in enumerate(sequences)}
    np.savez(tmp_path / "sequences.npz", **named)
    files = (str(tmp_path / "sequences.npz"), str(tmp_path / "answers.npz"))
    command = [str(python), str(PROGRAM), server.grpc, model, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    with Client(server.grpc) as client:
        ours = [client.predict(model, frames, every_frame=True).outputs.tobytes() for frames in sequences]
    with np.load(tmp_path / "answers.npz") as answers:
        theirs = {name: answers[name] for name in answers.files}
    assert theirs.keys() == {f"{way}-{index}" for way in WAYS for index in range(len(sequences))}
    for name, outputs in theirs.items():
        assert outputs.tobytes() == ours[int(name.rpartition("-")[2])], name
