"""A process as a member of a server that has several: what it hears from the supervisor, and what it asks of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from signal import SIGHUP
from typing import TYPE_CHECKING, Any

from service.api.others import alone
from service.core.errors import REASONS, Reason, ServiceError
from service.processes.channel import DONE, Channel, ChannelError, Message

if TYPE_CHECKING:
    from service.api.operations import Operations
    from service.api.others import Others
    from service.app.lifecycle import Stop
    from service.core.health import Health
    from service.repository import RepositoryManager
    from service.repository.rollout import Rollout

_LAST_REPORT_SECONDS = 0.5
_LOAD, _UNLOAD, _FOLLOW = "load", "unload", "follow-rollout"


@dataclass(frozen=True, kw_only=True)
class Duties:
    """What a process does for the others: report metrics, make changes, answer for itself by the method's name.

    `control` makes a change of the server itself, which its facts describe.
    """

    stop: Stop
    health: Health
    manager: RepositoryManager
    control: Callable[[Mapping[str, Any]], Awaitable[None]]
    report: Callable[[], Awaitable[bytes]]
    answers: Mapping[str, Callable[[bytes], Awaitable[bytes]]]


class Member:
    """One process of several. Belongs to the event loop.

    `why_others` says which others can't be called, and why; empty if all can.
    """

    def __init__(self, number: int, sock: socket.socket, *, is_again: bool = False) -> None:
        """Create it, not joined yet.

        Args:
            number: which process it is, from 1 on.
            sock: its end of the channel to the supervisor.
            is_again: it takes the place of one that has ended, while others serve.

        """
        self.number = number
        self.why_others = "other processes start"
        self._sock = sock
        self._is_again = is_again
        self._loaded = asyncio.Event()
        self._listening = asyncio.Event()

    @asynccontextmanager
    async def joined(self, duties: Duties) -> AsyncIterator[None]:
        """Do what a member does until the block ends."""
        self._duties = duties
        self._channel = await Channel.over(self._sock, self._answer)
        work = (self._hear(), self._tell_readiness(), self._tell_up())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _hear(self) -> None:
        await self._channel.run()
        # The supervisor has gone, and this process must not stay behind. If it has heard of a stop already, it goes on.
        self._duties.stop.ask(SIGHUP)

    async def _tell_readiness(self) -> None:
        await self._listening.wait()
        async for _ in self._duties.health.watch(""):
            self._channel.tell(Message(kind="state", facts={"why": self._duties.health.why_not_ready}))

    async def _tell_up(self) -> None:
        await self._listening.wait()
        await self._loaded.wait()
        self._channel.tell(Message(kind="up"))

    async def may_listen(self, stop: Stop) -> None:
        """Wait until it may take connections, or is to stop.

        At the start of the server all listen at once, and say that models load. A process that comes back would take
        connections from those that serve, so it waits until it has loaded its models and made all changes.
        """
        if not self._is_again:
            return
        waits = [asyncio.ensure_future(each.wait()) for each in (self._loaded, stop.drain)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def loaded(self) -> None:
        """Tell that the models are loaded, and make the changes that operators have asked for before."""
        await self._ask(Message(kind="loaded"))
        self._loaded.set()

    def listens(self) -> None:
        """Note that connections are taken."""
        self._listening.set()

    async def report_last(self) -> None:
        """Report the counts once more, so that none is lost when this process ends; waits for half a second at most."""
        with suppress(ServiceError, TimeoutError):
            async with asyncio.timeout(_LAST_REPORT_SECONDS):
                await self._ask(Message(kind="report", body=await self._duties.report()))

    async def fetch(self, accept: str, accept_encoding: str, query: str) -> tuple[Mapping[str, str], bytes]:
        """Return headers and bytes of the metrics of all processes (service.app.http_pages.Metrics)."""
        facts = {"accept": accept, "accept_encoding": accept_encoding, "query": query}
        found = await self._ask(Message(kind="page", facts=facts))
        return found.facts, found.body

    async def others(self, method: str, request: bytes) -> Sequence[bytes]:
        """Return what the others answer for themselves; one that has died, or can't answer, is left out."""
        found = await self._ask(Message(kind="gather", facts={"method": method}, body=request))
        bodies, start = [], 0
        for size in found.facts["sizes"]:
            bodies.append(found.body[start : start + size])
            start += size
        return bodies

    async def change(self, **facts: Any) -> None:
        """Make a change, which `facts` describe, in every process.

        Raises:
            ServiceError: this process refuses it, or another.

        """
        answer = await self._ask(Message(kind="change", facts=facts))
        if answer.facts:
            raise ServiceError(REASONS[answer.facts["reason"]], **answer.facts["facts"])

    async def ask_to_stop(self) -> None:
        """Let the supervisor drain the server."""
        await self._ask(Message(kind="stop"))

    async def _ask(self, message: Message) -> Message:
        try:
            return await self._channel.ask(message)
        except ChannelError as error:  # the supervisor has gone, and so will this process
            raise ServiceError(Reason.SERVER_DRAINING) from error

    async def _answer(self, message: Message) -> Message:
        duties = self._duties
        match message.kind:
            case "drain":
                duties.stop.drain.set()
            case "now":
                duties.stop.now.set()
            case "others":
                self.why_others = message.facts["why"]
            case "report":
                return Message(kind="report", body=await duties.report())
            case "change":
                return await _refusal(_change(duties, message.facts))
            case "answer":
                return await self._own_answer(message)
        return DONE

    async def _own_answer(self, message: Message) -> Message:
        try:
            return Message(kind="own", body=await self._duties.answers[message.facts["method"]](message.body))
        except ServiceError as error:
            return Message(kind="own", facts={"reason": error.reason.name})


class SharedOperations:
    """What operators change, in every process of the server (service.api.operations)."""

    def __init__(self, manager: RepositoryManager, member: Member) -> None:
        self.repository = manager.repository
        self.require = manager.require
        self._manager = manager
        self._member = member

    async def load(self, name: str, version: int = 0) -> None:
        """Load a version, or those of the policy. Raises ServiceError."""
        await self._member.change(change=_LOAD, model=name, version=version)

    async def unload(self, name: str, version: int = 0) -> None:
        """Let a version, or the model, take no new sequences. Raises ServiceError."""
        await self._member.change(change=_UNLOAD, model=name, version=version)

    async def spread(self, name: str, needed: Iterable[int], how: Callable[[Rollout], Rollout]) -> Rollout:
        """Change the rollout, which is a file that all follow. Raises ServiceError."""
        new = await self._manager.spread(name, needed, how)
        await self._member.change(change=_FOLLOW, model=name)
        return new


def operations(manager: RepositoryManager, member: Member | None) -> Operations:
    """Return what operators change, in all processes of the server."""
    return manager if member is None else SharedOperations(manager, member)


def others(member: Member | None) -> Others:
    """Return what asks the other processes of the server."""
    return alone if member is None else member.others


async def _change(duties: Duties, facts: Mapping[str, Any]) -> None:
    match facts["change"]:
        case "load":
            await duties.manager.load(facts["model"], facts["version"])
        case "unload":
            await duties.manager.unload(facts["model"], facts["version"])
        case "follow-rollout":
            await duties.manager.follow_rollout(facts["model"])
        case _:
            await duties.control(facts)


async def _refusal(work: Awaitable[None]) -> Message:
    try:
        await work
    except ServiceError as error:
        return Message(kind="refused", facts={"reason": error.reason.name, "facts": dict(error.facts)})
    return DONE
