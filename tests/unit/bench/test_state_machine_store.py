"""Histories of servers that share a store: faults that are planted are found, and known races end as they have to."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from hashlib import blake2b
from typing import Any

import pytest

from bench.state_machine.draws import ALL_TURNS
from bench.state_machine.histories import Histories, silent
from bench.state_machine.replica import Bounds
from bench.state_machine.run import run
from bench.state_machine.world import Tally, World
from service.api.oip.sequences import Key
from service.api.oip.stored_sequences import StoredLease, StoredSequences
from service.core.errors import Reason
from service.serving.sequence_records import Record, SequenceRecords
from service.store.memory_store import MemoryStore
from service.store.store import Stored, StoreError
from soloist.v1.session_state_pb2 import TokenHead
from soloist.v1.stored_sequence_pb2 import AnsweredRequest, StoredSequence

_ENOUGH_STEPS = 100_000
_load, _keep, _save = SequenceRecords.load, StoredLease.keep, MemoryStore.save
BOUNDS = Bounds(
    max_sessions=4,
    max_state_bytes=2**20,
    evict_after_seconds=5.0,
    idle_seconds=20.0,
    workers=1,
    max_slice_frames=64,
    max_inline_seconds=0.0,
    shows_cancels=True,
    max_stream_age_seconds=0.0,
    sharing=2,
)


@pytest.fixture
def state() -> Iterator[Histories]:
    """Two servers, and a sequence of one frame in their store."""
    World.tally = Tally()
    state = Histories()
    with silent():
        state.start(bounds=BOUNDS)
        _go_on(state, where=0)
        _run(state)
        yield state


def _go_on(state: Histories, *, where: int, turns: int = ALL_TURNS) -> None:
    state.go_on(
        sequence=1,
        client="client",
        where=where,
        frames=[1.0],
        says=(True, False),
        in_place=True,
        end=False,
        seconds=None,
        fails=False,
        turns=turns,
    )


def _run(state: Histories) -> None:
    state.run(which=0, turns=ALL_TURNS)


def _end(state: Histories) -> dict[str, int]:
    """End a history, and return how its calls ended."""
    state.nothing_is_wrong()
    state.teardown()
    return dict(World.tally.outcomes)


def test_of_two_servers_one_advances(state: Histories) -> None:
    state.race(sequence=1, where=0, frames=[1.0], same=False, says=(True, False), turns=ALL_TURNS)
    _run(state)
    _run(state)
    _go_on(state, where=1)
    _run(state)
    assert _end(state) == {"OK": 3, "ABORTED SEQUENCE_CONFLICT": 1}


def test_a_request_whose_server_was_lost_after_the_write_is_answered_by_another_one(state: Histories) -> None:
    state.hold_questions(really=True)
    _go_on(state, where=0)
    state.answer_question(which=0, turns=ALL_TURNS)
    _run(state)
    state.crash_after_write(which=0, really=True)
    state.release_questions(turns=ALL_TURNS)
    state.send_again(which=0, where=1, changed=False, turns=ALL_TURNS)  # nothing is left to run
    assert _end(state) == {"OK": 2}


def test_a_write_that_arrives_after_its_server_gave_up_counts_once(state: Histories) -> None:
    state.hold_questions(really=True)
    _go_on(state, where=0)
    state.answer_question(which=0, turns=ALL_TURNS)
    _run(state)
    state.wait(seconds=5.0)
    state.take_question(which=0)
    state.take_question(which=0)
    state.release_questions(turns=ALL_TURNS)
    state.send_again(which=0, where=1, changed=False, turns=ALL_TURNS)
    assert _end(state) == {"OK": 2, "UNAVAILABLE SEQUENCE_STORE_UNAVAILABLE": 1}


def test_nothing_advances_while_the_store_is_away(state: Histories) -> None:
    state.reach_store(down=True)
    _go_on(state, where=0)
    state.reach_store(down=False)
    state.send_again(which=0, where=1, changed=False, turns=ALL_TURNS)
    _run(state)
    assert _end(state) == {"OK": 2, "UNAVAILABLE SEQUENCE_STORE_UNAVAILABLE": 1}


async def _never_compare(store: MemoryStore, key: str, new: Stored, *, expected: bytes | None, seconds: float) -> bool:
    here = await store.load(key)
    return await _save(store, key, new, expected=None if here is None else here.fence, seconds=seconds)


async def _forget_time(records: SequenceRecords, key: str, *, begins: bool) -> Record | None:
    clock, records._clock = records._clock, lambda: 0.0
    try:
        return await _load(records, key, begins=begins)
    finally:
        records._clock = clock


def _forget_clients(_stored: StoredSequences, key: Key) -> str:
    return blake2b(repr(key[:3]).encode()).hexdigest()


def _forget_requests(_stored: StoredSequences, _record: Record | None, _request: AnsweredRequest | None) -> None:
    """Every request is a new one."""


async def _answer_anyway(lease: StoredLease, response: Any, *, ends: bool) -> None:
    """The answer leaves whoever has won."""
    before = lease._record
    sequence = StoredSequence(state=before.sequence.state if before else None)
    lease._record = before and Record(before.fence, before.head or TokenHead(), sequence)
    try:
        await _keep(lease, response, ends=ends)
    except Exception as error:
        if getattr(error, "reason", None) is not Reason.SEQUENCE_CONFLICT:
            raise


async def _hope(_records: SequenceRecords, _operation: Any, question: Awaitable[Any]) -> Any:
    """A store that doesn't answer has done what it was asked."""
    try:
        return await question
    except StoreError:
        return None


@pytest.mark.parametrize(
    ("part", "name", "fault"),
    [
        (MemoryStore, "save", _never_compare),
        (SequenceRecords, "load", _forget_time),
        (StoredSequences, "key", _forget_clients),
        (StoredSequences, "answer", _forget_requests),
        (StoredLease, "keep", _answer_anyway),
        (SequenceRecords, "_asked", _hope),
    ],
    ids=[
        "two servers advance",
        "sequences never expire",
        "sequences belong to everybody",
        "repeats count twice",
        "the one who lost answers",
        "an unreachable store is an empty one",
    ],
)
def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, part: Any, name: str, fault: Any) -> None:
    monkeypatch.setattr(part, name, fault)
    assert "Failing test case" in run(_ENOUGH_STEPS, first_seed=0, shortens=False).failure
