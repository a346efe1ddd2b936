"""What operators ask of one process and all carry out: loads, unloads, rollouts; and what is asked of all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog

from service.core.errors import Reason
from service.processes.channel import DONE, ChannelError, GoneError, Message
from service.processes.group import Group
from service.processes.process import Process

_log = structlog.get_logger("soloist.processes")
# Changes that are repeated in a process that starts again; the oldest are forgotten first.
_MOST_KEPT = 1000
_ANSWER_SECONDS = 5.0


class Changes:
    """The changes, one at a time, so that they come in the same order to every process. Belongs to the event loop."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._lock = asyncio.Lock()
        # Those made since the start, in order, by what they change. One that is asked again stands at its last place.
        self._kept: dict[tuple[Any, ...], Mapping[str, Any]] = {}

    async def make(self, number: int, facts: Mapping[str, Any]) -> Message:
        """Make a change in every process, and return the refusal of one, if any: of process `number` first."""
        async with self._lock:
            loaded = [each for each in self._group.running.values() if each.is_loaded or each.number == number]
            loaded.sort(key=lambda each: each.number != number)
            answers = await asyncio.gather(*(self._change(each, facts) for each in loaded))
            refused = [each for each in answers if each.facts]
            if refused:
                return refused[0]
            what = facts["change"], facts.get("model"), facts.get("version")
            self._kept.pop(what, None)
            self._kept[what] = facts
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            return DONE

    async def catch_up(self, process: Process) -> None:
        """Repeat all changes in a process that has just loaded what the folders say."""
        async with self._lock:
            for facts in list(self._kept.values()):
                if (answer := await self._change(process, facts)).facts:
                    _log.warning("change not repeated", process=process.number, **facts, reason=answer.facts["reason"])
            process.is_loaded = True

    async def _change(self, process: Process, facts: Mapping[str, Any]) -> Message:
        try:
            return await process.channel.ask(Message(kind="change", facts=facts))
        except GoneError:  # it catches up when it is back
            return DONE
        except ChannelError:
            return Message(kind="refused", facts={"reason": Reason.INTERNAL.name, "facts": {}})


async def gathered(group: Group, number: int, question: Message) -> Message:
    """Return the answers of all processes but `number` to one question, joined; `sizes` tells them apart."""
    others = [each for each in list(group.running.values()) if each.is_loaded and each.number != number]
    found = await asyncio.gather(*(_answer(each, question) for each in others))
    bodies = [each.body for each in found if each is not None and not each.facts]
    return Message(kind="gathered", facts={"sizes": [len(each) for each in bodies]}, body=b"".join(bodies))


async def _answer(process: Process, question: Message) -> Message | None:
    with suppress(ChannelError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await process.channel.ask(Message(kind="answer", facts=question.facts, body=question.body))
    return None
