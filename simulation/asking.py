"""Owns one request as the client sends it: whole with Predict, or chunk by chunk with Stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bench.clock import Clock
from simulation.demand import Request
from simulation.scenario import Scenario
from soloist import AsyncClient, ChunkResult, Prediction

# Sends one request that is due at the given time, and gives the answer to its end; raises SoloistError.
Ask = Callable[[Request, float], Awaitable[Prediction | ChunkResult]]


def asking(client: AsyncClient, scenario: Scenario, clock: Clock) -> Ask:
    """Ask the scenario's model. Chunk n of a stream is due n intervals after the stream, as from a microphone."""
    version = version_of(scenario)

    async def ask(request: Request, due_seconds: float) -> Prediction | ChunkResult:
        if request.whole:
            (frames,) = request.pieces
            return await client.predict(scenario.model, frames, version=version)
        timeout_seconds = scenario.timeout_seconds + len(request.pieces) * scenario.chunk_interval_seconds
        async with client.stream(scenario.model, version=version, timeout_seconds=timeout_seconds) as stream:
            for number, frames in enumerate(request.pieces):
                await clock.sleep_until(due_seconds + number * scenario.chunk_interval_seconds)
                answer = await stream.send(frames)
        return answer

    return ask


def version_of(scenario: Scenario) -> int | str | None:
    """Give the version as the client takes it: a number, a label, or None for the server's choice."""
    return int(scenario.version) if scenario.version.isdecimal() else scenario.version or None
