"""Histories of servers that share a store: they end as they have to, and faults that are planted are found in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from bench.state_machine.draws import ALL_TURNS
from bench.state_machine.histories import Histories, silent
from bench.state_machine.world import Tally, World
from service.api.oip.sequences import Key
from service.api.oip.stored_sequences import StoredLease, StoredSequences
from service.core.errors import ServiceError
from service.serving.sequence_records import Record, SequenceRecords
from service.store.memory_store import MemoryStore
from service.store.store import Stored, StoreError
from tests.unit.bench.small_replica import BOUNDS

_load, _keep, _save = SequenceRecords.load, StoredLease.keep, MemoryStore.save


@contextmanager
def _two_servers() -> Iterator[Histories]:
    """Run two servers with a sequence of one frame in their store, for a block."""
    World.tally = Tally()
    state = Histories()
    with silent():
        state.start(bounds=replace(BOUNDS, sharing=2))
        try:
            _go_on(state)
            state.run_all()
            state.nothing_is_wrong()
            yield state
        finally:
            state.abandon()


def _go_on(state: Histories, *, where: int = 0, client: str = "client", in_place: bool = True) -> None:
    state.go_on(
        sequence=1,
        client=client,
        where=where,
        frames=[1.0],
        says=(True, False),
        in_place=in_place,
        end=False,
        seconds=None,
        fails=False,
        turns=ALL_TURNS,
    )


def _write_on_its_way(state: Histories, *, in_place: bool = True) -> None:
    """Go on, or begin anew; the next state has left, and hasn't arrived."""
    state.hold_questions(count=2)
    _go_on(state, in_place=in_place)
    state.answer_question(which=0, turns=ALL_TURNS)
    state.run_all()


def _again(state: Histories) -> None:
    state.send_again(which=0, where=1, changed=False, turns=ALL_TURNS)


def _ends(state: Histories) -> dict[str, int]:
    """End a history, and return how its calls ended."""
    state.nothing_is_wrong()
    state.teardown()
    return dict(World.tally.outcomes)


def _race(state: Histories) -> None:
    state.race(sequence=1, where=0, frames=[1.0], same=False, says=(True, False), turns=ALL_TURNS)
    state.run_all()
    _go_on(state, where=1)
    assert _ends(state) == {"OK": 3, "ABORTED SEQUENCE_CONFLICT": 1}


def _lost_after_the_write(state: Histories) -> None:
    _write_on_its_way(state)
    state.crash_after_write(which=0, really=True)
    _again(state)
    state.nothing_is_wrong()
    assert not any(replica.executor for replica in state._replicas)  # it was answered without a run
    assert _ends(state) == {"OK": 2}


def _late_write(state: Histories) -> None:
    _write_on_its_way(state)
    state.wait(seconds=5.0)
    state.take_question(which=0)
    state.take_question(which=0)
    _again(state)
    assert _ends(state) == {"OK": 2, "UNAVAILABLE SEQUENCE_STORE_UNAVAILABLE": 1}


def _expired_but_stored(state: Histories) -> None:
    _write_on_its_way(state)
    for _ in range(3):
        state.wait(seconds=5.0)
    state.take_question(which=0)  # the store keeps it from now on
    state.wait(seconds=5.0)
    state.wait(seconds=1.0)
    _go_on(state, where=1)
    ends = {"OK": 1, "UNAVAILABLE SEQUENCE_STORE_UNAVAILABLE": 1, "FAILED_PRECONDITION SEQUENCE_NOT_FOUND": 1}
    assert _ends(state) == ends


def _forgotten_before_the_write(state: Histories, *, begins: bool) -> None:
    for seconds in (5.0, 5.0, 5.0, 4.5):
        state.wait(seconds=seconds)
    _write_on_its_way(state, in_place=not begins)
    state.wait(seconds=0.75)
    state.answer_question(which=0, turns=ALL_TURNS)


def _forgotten_and_goes_on(state: Histories) -> None:
    _forgotten_before_the_write(state, begins=False)
    assert _ends(state) == {"OK": 1, "FAILED_PRECONDITION SEQUENCE_NOT_FOUND": 1}


def _forgotten_and_begins(state: Histories) -> None:
    _forgotten_before_the_write(state, begins=True)
    _go_on(state, where=1)
    assert _ends(state) == {"OK": 3}


def _store_out_of_reach(state: Histories) -> None:
    state.refuse_questions(count=1)
    _go_on(state)
    _again(state)
    assert _ends(state) == {"OK": 2, "UNAVAILABLE SEQUENCE_STORE_UNAVAILABLE": 1}


def _stranger(state: Histories) -> None:
    _go_on(state, where=1, client="stranger", in_place=False)
    assert _ends(state) == {"OK": 1, "FAILED_PRECONDITION SEQUENCE_NOT_FOUND": 1}


def _repeat(state: Histories) -> None:
    _again(state)
    state.send_again(which=0, where=0, changed=True, turns=ALL_TURNS)
    assert _ends(state) == {"OK": 2, "INVALID_ARGUMENT SEQUENCE_REQUEST_CONFLICT": 1}


History = Callable[[Histories], None]


@pytest.mark.parametrize(
    "history",
    [
        _race,
        _lost_after_the_write,
        _late_write,
        _expired_but_stored,
        _forgotten_and_goes_on,
        _forgotten_and_begins,
        _store_out_of_reach,
        _stranger,
        _repeat,
    ],
)
def test_a_known_history_ends_as_it_has_to(history: History) -> None:
    with _two_servers() as state:
        history(state)


async def _never_compare(store: MemoryStore, key: str, new: Stored, **how: Any) -> bool:
    here = await store.load(key)
    return await _save(store, key, new, expected=None if here is None else here.fence, seconds=how["seconds"])


async def _forget_time(records: SequenceRecords, key: str, *, begins: bool) -> Record | None:
    clock, records._clock = records._clock, lambda: 0.0
    try:
        return await _load(records, key, begins=begins)
    finally:
        records._clock = clock


def _forget_clients(_stored: StoredSequences, key: Key) -> str:
    return repr(key[:3])


def _forget_requests(_stored: StoredSequences, _record: object, _request: object) -> None:
    """Every request is a new one."""


async def _answer_anyway(lease: StoredLease, response: Any, *, ends: bool) -> None:
    """The answer leaves whoever has won."""
    with suppress(ServiceError):
        await _keep(lease, response, ends=ends)


async def _hope(_records: SequenceRecords, _operation: object, question: Awaitable[Any]) -> Any:
    """A store that doesn't answer has nothing."""
    try:
        return await question
    except StoreError:
        return None


@pytest.mark.parametrize(
    ("part", "name", "fault", "history"),
    [
        (MemoryStore, "save", _never_compare, _race),
        (StoredLease, "keep", _answer_anyway, _race),
        (SequenceRecords, "load", _forget_time, _expired_but_stored),
        (SequenceRecords, "_asked", _hope, _store_out_of_reach),
        (StoredSequences, "key", _forget_clients, _stranger),
        (StoredSequences, "answer", _forget_requests, _repeat),
        (StoredSequences, "answer", _forget_requests, _lost_after_the_write),
        (StoredSequences, "answer", _forget_requests, _late_write),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, part: type, name: str, fault: object, history: History
) -> None:
    monkeypatch.setattr(part, name, fault)
    with pytest.raises(AssertionError), _two_servers() as state:
        history(state)
