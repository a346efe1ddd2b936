"""Two servers with one step of a stored sequence: one of them counts."""

from __future__ import annotations

import asyncio

import pytest

from service.core.errors import Reason, ServiceError
from service.store.memory_store import MemoryStore
from tests.unit.service.awaited_executor import turns
from tests.unit.service.oip.stored_replica import Replica, chunk, last_of, prediction_id


async def test_of_two_servers_with_the_same_step_one_wins(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    both = one.begin(chunk(2)), two.begin(chunk(3))
    await turns()
    assert last_of(await two.end(both[1])) == 4
    with pytest.raises(ServiceError) as caught:
        await one.end(both[0])
    assert caught.value.reason is Reason.SEQUENCE_CONFLICT
    assert len(one.published) == 1
    assert last_of(await one.ask(chunk(4))) == 8
    assert one.counted("soloist_sequence_store_operations_total", operation="write", outcome="conflict") == 1


async def test_of_two_servers_with_the_same_request_both_give_the_answer_of_one(one: Replica, two: Replica) -> None:
    for request in (chunk(1, start=True, name="a"), chunk(2, name="b"), chunk(3, end=True, name="c")):
        slow, fast = one.begin(request), two.begin(request)
        await turns()
        assert await two.end(fast) == await one.end(slow)
    assert not one.published
    assert len(two.published) == 3


@pytest.mark.parametrize("begins", [True, False])
async def test_a_server_that_wakes_up_late_changes_nothing(one: Replica, two: Replica, begins: bool) -> None:
    if not begins:
        await one.ask(chunk(1, start=True))
    late = one.begin(chunk(2, start=begins))
    await turns()
    # Meanwhile its caller has asked elsewhere, and got to the same frame again.
    await two.ask(chunk(5, start=True))
    await two.ask(chunk(6))
    with pytest.raises(ServiceError) as caught:
        await one.end(late)
    assert caught.value.reason is Reason.SEQUENCE_CONFLICT
    assert last_of(await one.ask(chunk(7))) == 18


async def test_a_sequence_that_the_store_has_forgotten_meanwhile_is_not_found(
    store: MemoryStore, one: Replica, two: Replica
) -> None:
    await one.ask(chunk(1, start=True))
    asked = two.begin(chunk(2))
    await turns()
    (key,) = store.keys()
    store.forget(key)
    with pytest.raises(ServiceError) as caught:
        await two.end(asked)
    assert caught.value.reason is Reason.SEQUENCE_NOT_FOUND
    assert not two.published
    assert await one.refusal(chunk(3)) is Reason.SEQUENCE_NOT_FOUND
    assert last_of(await one.ask(chunk(4, start=True))) == 4


async def test_a_sequence_begins_anew_whatever_the_store_has_forgotten_of_the_last_one(
    store: MemoryStore, one: Replica, two: Replica
) -> None:
    await one.ask(chunk(1, start=True))
    asked = two.begin(chunk(2, start=True))
    await turns()
    (key,) = store.keys()
    store.forget(key)
    assert last_of(await two.end(asked)) == 2
    assert last_of(await one.ask(chunk(3))) == 5


async def test_ids_of_a_step_are_the_same_on_every_server(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    both = one.begin(chunk(2)), two.begin(chunk(2))
    await turns()
    for replica in (one, two):
        await replica.executor.finish_all()
    done = await asyncio.gather(*both, return_exceptions=True)
    assert [isinstance(each, ServiceError) for each in done] == [False, True]
    third = await two.ask(chunk(3))
    assert [each.first_frame for each in two.published] == [2]
    assert prediction_id(third) == two.published[0].id
