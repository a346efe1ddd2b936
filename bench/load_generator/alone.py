"""The answers that the requests of a load have when nothing else is asked, to compare those under load with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.load_generator.call import Request, Seen, Sender
from bench.load_generator.clock import SystemClock
from bench.load_generator.load import Load
from bench.load_generator.requests import make_requests
from bench.load_generator.wire.target import target_of
from bench.load_generator.workload import Given
from bench.recorder import Recorder

# The bits of the answers to each request of a load: one, or one a chunk.
Alone = Sequence[Sequence[bytes]]


async def answers_alone(load: Load, sequences: Sequence[Given] | None) -> Alone:
    """Ask one request after the other, and return the bits of their answers. Raises as `run.measure` does."""
    unpaced, clock = replace(load, chunk_interval_seconds=0.0), SystemClock()
    async with target_of(load) as target:
        requests = make_requests(load, target, sequences)
        answers: dict[Request, list[bytes]] = {request: [] for request in requests}

        def keep(request: Request, _number: int, bits: bytes) -> None:
            answers[request].append(bits)

        sender = Sender(unpaced, target.api, target.connections, clock=clock, recorder=Recorder(), seen=keep)
        for request in requests:
            await sender.send(request, clock.now())
        return list(answers.values())


def expecting(requests: list[Request], alone: Alone | None) -> list[Request]:
    """Return the requests of a load with the answers that they had alone, if they are known."""
    if alone is None:
        return requests
    return [replace(request, alone=bits) for request, bits in zip(requests, alone, strict=True)]


def comparing(recorder: Recorder) -> Seen:
    """Return what compares answers to those that their requests had alone, and counts."""

    def compare(request: Request, number: int, bits: bytes) -> None:
        if request.alone is not None:
            recorder.compared(same=bits == request.alone[number])

    return compare
