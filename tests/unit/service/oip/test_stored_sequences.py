"""Sequences of two servers that share a store: they go on, fail, belong to somebody, and end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.core.errors import Reason, ServiceError
from service.store.memory_store import MemoryStore
from tests.servables import POISON
from tests.unit.service.oip.stored_replica import Replica, at, chunk, last_of


async def test_each_server_goes_on_where_the_other_was(one: Replica, two: Replica) -> None:
    answers = [
        await one.ask(chunk(1, 2, start=True)),
        await two.ask(chunk(3)),
        await one.ask(chunk(4)),
        await two.ask(chunk(5, end=True)),
    ]
    assert [last_of(each) for each in answers] == [3, 6, 10, 15]
    assert [each.first_frame for each in two.published] == [2, 4]
    assert len({each.sequence_id for each in (*one.published, *two.published)}) == 1
    assert await one.refusal(chunk(6)) is Reason.SEQUENCE_NOT_FOUND
    assert one.counted("soloist_sessions_ended_total", model="gated", reason="stored") == 2
    assert two.counted("soloist_sessions_ended_total", model="gated", reason="complete") == 1


async def test_also_without_a_store_frames_at_another_place_are_refused(store: MemoryStore) -> None:
    alone = Replica(store)
    alone.context = replace(alone.context, stored=None)
    assert await alone.refusal(at(1, 1, start=True)) is Reason.CHUNK_GAP
    assert last_of(await alone.ask(at(0, 1, start=True))) == 1
    for first_frame, reason in ((0, Reason.CHUNK_OVERLAP), (2, Reason.CHUNK_GAP)):
        with pytest.raises(ServiceError) as caught:
            await alone.ask(at(first_frame, 1))
        assert caught.value.reason is reason
    assert last_of(await alone.ask(at(1, 1, end=True))) == 2


async def test_a_failed_request_leaves_the_sequence_as_it_was(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    with pytest.raises(RuntimeError):
        await one.ask(chunk(POISON, name="a"))
    assert last_of(await two.ask(chunk(2, name="a"))) == 3
    with pytest.raises(RuntimeError):  # one that fails at its beginning leaves the one before
        await one.ask(chunk(POISON, start=True))
    assert last_of(await two.ask(chunk(2))) == 5


async def test_a_sequence_belongs_to_the_client_who_began_it(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"), client="alice")
    assert await two.refusal(chunk(2), client="bob") is Reason.SEQUENCE_NOT_FOUND
    assert last_of(await two.ask(chunk(5, start=True, name="a"), client="bob")) == 5
    assert last_of(await two.ask(chunk(2), client="alice")) == 3
    assert [each.client for each in two.published] == ["bob", "alice"]


async def test_a_sequence_that_is_too_large_stays_as_it_was(store: MemoryStore, one: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    small = Replica(store, max_bytes=600)
    long = chunk(*range(100), name="long")
    assert await small.refusal(long) is Reason.SEQUENCE_STATE_TOO_LARGE
    assert not small.published
    assert last_of(await small.ask(chunk(2, name="b"))) == 3
    assert last_of(await one.ask(long)) == 3 + sum(range(100))


async def test_an_old_sequence_has_ended_also_where_the_store_still_has_it(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    two.now += 61
    assert await two.refusal(chunk(2)) is Reason.SEQUENCE_NOT_FOUND
    assert last_of(await two.ask(chunk(1, start=True, name="a"))) == 1
    assert len(two.published) == 1
