"""Requests sent together are compared with the same requests sent alone."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from bench.promise import main, make_requests, run
from soloist import SoloistError
from tests.unit.bench.conftest import FakeServer

SEQUENCES = [np.ones((frames, 3), np.float32) for frames in (1, 5, 9)]


def test_requests_are_whole_cut_and_in_single_steps() -> None:
    asks = make_requests(SEQUENCES, 200, streams=True, seed=0)
    assert all(len(ask.pieces) == 1 for ask in asks if ask.whole)
    steps = [ask for ask in asks if not ask.whole and {len(piece) for piece in ask.pieces} == {1}]
    assert any(len(ask.pieces) == 9 for ask in steps)
    assert any(len(piece) not in (1, 5, 9) for ask in asks for piece in ask.pieces)
    assert {float(np.abs(ask.pieces[0]).max()) for ask in asks} == {0.0, 1.0, 100.0}


def test_a_model_that_cannot_stream_gets_whole_sequences() -> None:
    assert all(ask.whole for ask in make_requests(SEQUENCES, 50, streams=False, seed=0))


def test_the_same_seed_gives_the_same_requests() -> None:
    first, again = (make_requests(SEQUENCES, 20, streams=True, seed=7) for _ in range(2))
    assert [[piece.tobytes() for piece in ask.pieces] for ask in first] == [
        [piece.tobytes() for piece in ask.pieces] for ask in again
    ]


async def test_a_server_that_keeps_its_bits_passes(fake: FakeServer) -> None:
    (outcome,) = await run(fake.target, ["m"], count=20, concurrency=8, seed=0, http=None)
    assert (outcome.model, outcome.requests, outcome.differing) == ("m", 20, 0)


async def test_a_server_whose_answers_tell_of_others_is_found_out(fake: FakeServer) -> None:
    fake.leaks = True
    (outcome,) = await run(fake.target, ["m"], count=40, concurrency=40, seed=0, http=None)
    assert outcome.differing > 0


async def test_a_failed_request_is_no_agreement(fake: FakeServer) -> None:
    fake.refused = {3}
    with pytest.raises(SoloistError):
        await run(fake.target, ["m"], count=20, concurrency=8, seed=0, http=None)


def test_a_server_that_is_not_there_is_a_message() -> None:
    result = CliRunner().invoke(main, ["--server", "127.0.0.1:1", "--model", "m", "--requests", "1"])
    assert result.exit_code == 1
    assert "Error" in result.output
