"""Requests of stored sequences that come again: they are answered as before, and count once."""

from __future__ import annotations

from typing import cast

import pytest

from service.core.errors import Reason
from service.store.memory_store import MemoryStore
from service.store.store import Stored
from tests.unit.service.oip.stored_replica import Replica, UnsureStore, at, chunk, last_of, put


async def test_a_request_that_comes_again_gets_the_answer_of_before_from_any_server(one: Replica, two: Replica) -> None:
    for request in (chunk(1, start=True, name="a"), chunk(2, name="b"), chunk(3, end=True, name="c")):
        first = await one.ask(request)
        for replica in (two, one):
            assert await replica.ask(request) == first
    assert last_of(first) == 6
    assert len(one.published) == 3
    assert not two.published
    assert two.counted("soloist_sequence_repeats_total") == 3


async def test_the_same_id_with_other_contents_is_refused(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    assert await two.refusal(chunk(2, name="a")) is Reason.SEQUENCE_REQUEST_CONFLICT
    assert last_of(await two.ask(chunk(2, name="b"))) == 3


async def test_without_an_id_the_same_frames_are_the_next_ones(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    assert [last_of(await each.ask(chunk(1))) for each in (one, two)] == [2, 3]


async def test_who_says_the_first_frame_needs_no_ids_and_hears_of_a_store_that_is_behind(
    store: MemoryStore, one: Replica, two: Replica
) -> None:
    for request in (at(0, 1, start=True), at(1, 2, 3), at(3, 4)):
        assert await two.ask(request) == await one.ask(request)
    assert await two.refusal(at(1, 2, 3)) is Reason.CHUNK_OVERLAP
    assert await two.refusal(at(5, 9)) is Reason.CHUNK_GAP
    assert await two.refusal(at(3, 9)) is Reason.SEQUENCE_REQUEST_CONFLICT
    (key,) = store.keys()
    older = cast("Stored", await store.load(key))
    assert last_of(await one.ask(at(4, 5))) == 15
    await put(store, key, older)
    assert await one.refusal(at(5, 6)) is Reason.CHUNK_GAP
    assert last_of(await two.ask(at(4, 5))) == 15  # what is lost can be sent again
    assert not len(one.sessions)


async def test_a_constant_id_is_enough_where_the_first_frame_is_said(one: Replica, two: Replica) -> None:
    for request in (at(0, 1, start=True, name="s"), at(1, 1, name="s"), at(2, 1, name="s")):
        answer = await one.ask(request)
        assert await two.ask(request) == answer
    assert last_of(answer) == 3


@pytest.mark.parametrize("fails", ["load", "before", "after"])
async def test_a_request_without_an_answer_of_the_store_can_be_sent_again_and_counts_once(fails: str) -> None:
    store = UnsureStore()
    one, two = Replica(store), Replica(store)
    for number, request in enumerate(
        (chunk(1, start=True, name="a"), chunk(2, name="b"), chunk(3, end=True, name="c"))
    ):
        store.fails = fails
        assert await one.refusal(request) is Reason.SEQUENCE_STORE_UNAVAILABLE
        store.fails = ""
        assert last_of(await two.ask(request)) == (1, 3, 6)[number]
    assert not one.published
    operation = "read" if fails == "load" else "write"
    assert one.counted("soloist_sequence_store_operations_total", operation=operation, outcome="failed") == 3
