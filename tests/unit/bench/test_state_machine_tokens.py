"""What a token is, is fixed when it is sealed: histories in which its caller reads it much later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.state_machine.draws import ALL_TURNS
from bench.state_machine.histories import Histories, silent
from bench.state_machine.token_wishes import TokenWish
from bench.state_machine.world import Tally, World
from soloist.v1 import sequence_inference_pb2 as pb
from tests.unit.bench.small_replica import BOUNDS

WITH_ANSWERS = TokenWish(pb.RESUME_TOKENS_WITH_ANSWERS)


@pytest.fixture
def state() -> Iterator[Histories]:
    """A stream whose caller reads no answer; the one to its first chunk has left, with a token."""
    World.tally = Tally()
    state = Histories()
    with silent():
        state.start(bounds=BOUNDS)
        state.open(every_frame=False, seconds=None, wish=WITH_ANSWERS, turns=ALL_TURNS)
        state.read(which=0, takes=False, turns=0)
        state.chunk(which=0, frames=[1.0], turns=ALL_TURNS)
        state.run(which=0, turns=ALL_TURNS)
        try:
            yield state
        finally:
            state.abandon()


def _continue(state: Histories) -> None:
    """Read the token, continue with it, and end the history."""
    state.read(which=0, takes=True, turns=ALL_TURNS)
    state.continue_(age=0, every_frame=False, wish=WITH_ANSWERS, spoilt=None, turns=ALL_TURNS)
    state.nothing_is_wrong()
    state.teardown()


def _refusals() -> list[str]:
    return [outcome.split()[1] for outcome in World.tally.outcomes if "RESUME" in outcome]


def test_a_token_that_is_read_after_its_key_was_removed_is_of_that_key(state: Histories) -> None:
    state.rotate_keys(really=True, removes=True)
    _continue(state)
    assert _refusals() == ["RESUME_KEY_UNKNOWN"]


def test_a_token_that_is_read_late_expires_when_it_was_to(state: Histories) -> None:
    for _ in range(2):
        state.wait(seconds=5.0)
    state.wait(seconds=1.0)
    _continue(state)
    assert _refusals() == ["RESUME_TOKEN_EXPIRED"]


def test_a_token_that_is_read_late_continues_until_it_expires(state: Histories) -> None:
    state.wait(seconds=5.0)
    _continue(state)
    assert not _refusals()
