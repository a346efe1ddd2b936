from __future__ import annotations

import asyncio
from contextlib import aclosing

from service.core.health import API, OPEN_INFERENCE, SERVER, Health

READY = ""


def test_nothing_serves_until_the_repository_has_reported() -> None:
    health = Health()
    assert health.statuses == {SERVER: False, API: False, OPEN_INFERENCE: False}
    assert health.why_not_ready


def test_a_broken_model_does_not_hide_the_others() -> None:
    health = Health()
    health.update({"good": True, "broken": False}, READY)
    assert health.statuses == {SERVER: True, API: True, OPEN_INFERENCE: True, "good": True, "broken": False}
    assert not health.why_not_ready


def test_draining_is_for_good() -> None:
    health = Health()
    health.update({"good": True}, READY)
    health.drain()
    health.update({"good": True}, READY)
    assert not any(health.statuses.values())
    assert health.why_not_ready == "draining"


async def test_a_watch_tells_every_change_and_no_repetition() -> None:
    health = Health()
    seen: list[bool | None] = []
    async with aclosing(health.watch("late")) as statuses:
        async for status in statuses:
            seen.append(status)
            if status is None:
                health.update({"late": True}, READY)
                health.update({"late": True}, READY)
            elif status:
                health.drain()
            else:
                break
    assert seen == [None, True, False]


async def test_one_watcher_leaving_does_not_silence_another() -> None:
    health = Health()
    leaving, staying = health.watch("model"), health.watch("model")
    assert await anext(leaving) is None
    assert await anext(staying) is None
    next_status = asyncio.ensure_future(anext(staying))
    await leaving.aclose()
    health.update({"model": True}, READY)
    assert await next_status is True
    await staying.aclose()


async def test_closing_ends_a_waiting_watch() -> None:
    health = Health()
    async with aclosing(health.watch(SERVER)) as statuses:
        assert await anext(statuses) is False
        ended = asyncio.ensure_future(anext(statuses, "ended"))
        health.close()
        assert await ended == "ended"
