"""Runs in the test's hand, and turns of its event loop."""

from __future__ import annotations

import asyncio

from bench.state_machine.held_executor import HeldExecutor

_TURNS = 10


class AwaitedExecutor(HeldExecutor):
    """Holds runs; a test awaits what they lead to."""

    async def finish(self) -> None:
        """Run the oldest, and let the loop hear of it."""
        self.run_one()
        await turns()

    async def finish_all(self) -> None:
        """Run until nothing is left."""
        while len(self):
            await self.finish()


async def turns() -> None:
    """Let the event loop turn until everything that was ready has run."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
