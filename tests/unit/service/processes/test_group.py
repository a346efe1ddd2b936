"""The group of processes: with processes that are none, which end when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.processes.changes import Changes, gathered
from service.processes.channel import DONE, Message
from service.processes.group import Group, StartError
from service.processes.process import Process


@dataclass
class Stub:
    """A process, as far as a group knows it, and the channel to it."""

    number: int
    is_again: bool
    end: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_loaded: bool = False
    why_not_ready: str = ""
    failure: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    answer: Message = DONE
    ends_in_drain: bool = True

    @property
    def channel(self) -> Stub:
        return self

    def tell(self, message: Message) -> None:
        self.heard.append(message.kind)
        if self.ends_in_drain:
            self.exit(0)

    async def ask(self, message: Message) -> Message:
        self.heard.append("/".join([message.kind, *map(str, message.facts.values())]))
        return self.answer

    async def ended(self) -> int:
        return await self.end

    async def refresh(self) -> None:
        """Report nothing new."""

    def exit(self, code: int) -> None:
        if not self.end.done():
            self.end.set_result(code)

    def kill(self) -> None:
        self.exit(-9)


class Site:
    """A group of two, every process that it started, and a word when the next one starts."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[Stub] = asyncio.Queue()
        self.restarts = 0
        self.restarted = asyncio.Event()
        self.refusals: Iterator[OSError] = iter(())
        self.group = Group(count=2, start=self._start, restarted=self._restarted)

    async def _start(self, number: int, is_again: bool) -> Process:
        for refusal in self.refusals:
            raise refusal
        stub = Stub(number, is_again)
        self.started.put_nowait(stub)
        return cast("Process", stub)

    def _restarted(self) -> None:
        self.restarts += 1
        self.restarted.set()

    async def up(self) -> list[Stub]:
        """Start both, and let them load."""
        beginning = asyncio.create_task(self.group.begin())
        both = [await self.started.get(), await self.started.get()]
        for stub in both:
            stub.is_loaded = True
            self.group.is_up(cast("Process", stub))
        await beginning
        return sorted(both, key=lambda stub: stub.number)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    yield site
    await site.group.end()


async def test_one_that_dies_is_started_again_and_the_others_hear_of_it(site: Site) -> None:
    one, other = await site.up()
    one.exit(-9)
    again = await site.started.get()
    assert (one.is_again, again.number, again.is_again, site.restarts) == (False, 1, True, 1)
    assert other.heard == ["others/process 1: it is started again"]
    assert site.group.running[2] is cast("Process", other)


async def test_one_that_cannot_be_started_is_tried_again(site: Site) -> None:
    one, _ = await site.up()
    site.refusals = iter([OSError("no memory")])
    one.exit(1)
    assert (await site.started.get()).number == 1
    assert site.restarts == 2


async def test_a_start_fails_with_the_first_that_ends(site: Site) -> None:
    beginning = asyncio.create_task(site.group.begin())
    one, other = await site.started.get(), await site.started.get()
    site.group.is_up(cast("Process", one))
    other.failure = "no such folder"
    other.exit(2)
    with pytest.raises(StartError, match="no such folder") as caught:
        await beginning
    assert caught.value.exit_code == 2
    await site.group.end()
    assert await one.end == -9


async def test_a_drain_waits_for_all_and_kills_who_does_not_end(site: Site) -> None:
    one, other = await site.up()
    other.ends_in_drain = False
    assert not await site.group.drain(asyncio.Event(), within_seconds=0.05, cut_seconds=0)
    assert (one.heard, other.heard) == (["drain"], ["drain"])
    assert (await one.end, await other.end) == (0, -9)


async def test_a_drain_that_is_cut_short_is_told(site: Site) -> None:
    _, other = await site.up()
    other.ends_in_drain = False
    now = asyncio.Event()
    draining = asyncio.create_task(site.group.drain(now, within_seconds=60, cut_seconds=0.05))
    now.set()
    assert not await draining
    assert other.heard == ["drain", "now"]


async def test_a_drain_during_a_restart_starts_no_more(site: Site) -> None:
    one, _ = await site.up()
    one.exit(1)
    await site.restarted.wait()
    assert await site.group.drain(asyncio.Event(), within_seconds=60, cut_seconds=0)
    assert site.started.empty()


async def test_changes_are_repeated_in_a_process_that_comes_back(site: Site) -> None:
    changes = Changes(site.group)
    one, _ = await site.up()
    for change in ("load", "unload", "load"):
        assert await changes.make(2, {"change": change, "model": "m", "version": 1}) == DONE
    one.exit(1)
    again = await site.started.get()
    await changes.catch_up(cast("Process", again))
    assert again.heard == ["change/unload/m/1", "change/load/m/1"]
    assert again.is_loaded


async def test_of_changes_of_the_server_itself_the_last_is_repeated(site: Site) -> None:
    changes = Changes(site.group)
    one, _ = await site.up()
    for ready in (False, True, False):
        await changes.make(2, {"change": "ready", "ready": ready})
    await changes.make(2, {"change": "log-level", "level": "debug", "until": 0})
    one.exit(1)
    again = await site.started.get()
    await changes.catch_up(cast("Process", again))
    assert again.heard == ["change/ready/False", "change/log-level/debug/0"]


async def test_a_refused_change_is_not_repeated(site: Site) -> None:
    changes = Changes(site.group)
    one, other = await site.up()
    other.answer = Message(kind="refused", facts={"reason": "MODEL_UNAVAILABLE", "facts": {}})
    assert await changes.make(1, {"change": "load", "model": "m", "version": 1}) is other.answer
    one.exit(1)
    again = await site.started.get()
    await changes.catch_up(cast("Process", again))
    assert again.heard == []


async def test_the_others_are_asked_and_who_refuses_is_left_out(site: Site) -> None:
    _, other = await site.up()
    other.answer = Message(kind="own", body=b"counts")
    question = Message(kind="gather", facts={"method": "ModelStatistics"}, body=b"request")
    found = await gathered(site.group, 1, question)
    assert (found.facts, found.body) == ({"sizes": [6]}, b"counts")
    other.answer = Message(kind="own", facts={"reason": "MODEL_NOT_FOUND"})
    assert (await gathered(site.group, 1, question)).facts == {"sizes": []}
