"""The way to a store that servers share: questions wait on it, arrive twice or late, and their answers get lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.state_machine.virtual_time import VirtualLoop
from service.store.store import StoreError

T = TypeVar("T")
# Who has asked waits no longer; its question may arrive nevertheless.
_MOST_SECONDS = 1.0


@dataclass(eq=False)
class _Question:
    do: Callable[[], Any]
    answer: asyncio.Future[Any]
    has_arrived: bool = False
    result: Any = None

    def arrive(self) -> None:
        self.result = self.do()
        self.has_arrived = True


class StoreWay:
    """What is asked goes through at once, but for the next `refuses` questions, and the next `holds` after them."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Create it without questions."""
        self.refuses = self.holds = 0
        self._loop = loop
        self._questions: list[_Question] = []

    def __len__(self) -> int:
        return len(self._questions)

    async def ask(self, do: Callable[[], T]) -> T:
        """Return the result of `do`, which happens when the question arrives.

        Raises:
            StoreError: there is no answer.

        """
        if self.refuses:
            self.refuses -= 1
            raise StoreError("no connection")
        if not self.holds:
            return do()
        self.holds -= 1
        question = _Question(do, self._loop.create_future())
        self._questions.append(question)
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                result: T = await question.answer
        except TimeoutError as error:
            raise StoreError("no answer") from error
        return result

    def arrive(self, which: int) -> None:
        """Let a question arrive, perhaps for a second time. Its answer is on its way."""
        with self._loop.shown():
            self._at(which).arrive()

    def answer(self, which: int) -> None:
        """Let a question and its answer arrive."""
        question = self._at(which)
        self._questions.remove(question)
        if not question.has_arrived:
            with self._loop.shown():
                question.arrive()
        if not question.answer.done():
            question.answer.set_result(question.result)

    def lose(self, which: int) -> None:
        """Lose a question, or its answer."""
        self._questions.remove(self._at(which))

    def arrive_all(self) -> None:
        """Let all questions arrive that haven't."""
        for which, question in enumerate(self._questions):
            if not question.has_arrived:
                self.arrive(which)

    def release(self) -> None:
        """Let everything through, in order, also what comes from now on."""
        self.refuses = self.holds = 0
        while self._questions:
            self.answer(0)

    def _at(self, which: int) -> _Question:
        return self._questions[which % len(self._questions)]
