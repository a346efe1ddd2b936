"""A real BatchNorm that was exported and is served: its held-out traffic crosses nothing, with a gain it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data import load
from soloist import Client, Monitor, NormSkew
from tests.servers import RunningServer, eventually, running_server

MODEL = "vowels-tcn-batch"
# The worker's queue holds 64 answers.
AHEAD = 32


@pytest.fixture(scope="module")
def held_out() -> list[Any]:
    """Hold real sequences in an order of chance: those of one speaker lie side by side in the file."""
    sequences = load("vowels").test.sequences
    return [sequences[index] for index in np.random.default_rng(0).permutation(len(sequences))[:48]]


def pooled(repository: Path, folder: Path, sequences: list[Any], *, chunk_frames: int = 0) -> NormSkew:
    """Send sequences, whole or in chunks, and give what was pooled of them."""
    with (
        running_server(repository, folder, skew_probe_ratio=1, skew_half_life_seconds=1e9, skew_core_ratio=1) as server,
        Client(server.grpc) as client,
        Monitor(server.grpc) as monitor,
    ):
        answers = 0
        for frames in sequences:
            answers += _streamed(client, frames, chunk_frames) if chunk_frames else _whole(client, frames)
            _await(server, answers - AHEAD)
        _await(server, answers)
        return monitor.norm_skew(MODEL)


def _whole(client: Client, frames: Any) -> int:
    client.predict(MODEL, frames)
    return 1


def _streamed(client: Client, frames: Any, chunk_frames: int) -> int:
    with client.stream(MODEL) as stream:
        return len([stream.send(frames[at : at + chunk_frames]) for at in range(0, len(frames), chunk_frames)])


def _await(server: RunningServer, answers: int) -> None:
    assert eventually(
        lambda: server.total("soloist_norm_probes_total", model=MODEL, outcome="probed") >= max(0, answers)
    )


def test_held_out_traffic_crosses_nothing_and_with_a_gain_it_does(
    repository: Path, tmp_path: Path, held_out: list[Any]
) -> None:
    usual = pooled(repository, tmp_path, held_out)
    gained = pooled(repository, tmp_path, [2 * frames for frames in held_out])
    assert [layer.crossed for layer in usual.layers] == [False] * 3
    assert gained.layers[0].crossed


def test_chunks_add_up_to_the_whole(repository: Path, tmp_path: Path, held_out: list[Any]) -> None:
    whole = pooled(repository, tmp_path, held_out[:16])
    chunked = pooled(repository, tmp_path, held_out[:16], chunk_frames=5)
    assert whole.frames == chunked.frames
    assert whole.effective_sequences == pytest.approx(chunked.effective_sequences, rel=1e-3)
    for one, other in zip(whole.layers, chunked.layers, strict=True):
        np.testing.assert_allclose(one.live.mean, other.live.mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(one.live.variance, other.live.variance, rtol=1e-3, atol=1e-4)


def test_answers_are_those_of_a_server_that_probes_nothing(
    repository: Path, tmp_path: Path, held_out: list[Any]
) -> None:
    answers = []
    for ratio in (0, 1):
        with running_server(repository, tmp_path, skew_probe_ratio=ratio) as server, Client(server.grpc) as client:
            answers.append([client.predict(MODEL, frames).outputs.tobytes() for frames in held_out])
    assert answers[0] == answers[1]
