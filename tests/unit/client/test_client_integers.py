"""Integers that no field of a message can hold, and what is none."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from soloist import (
    Admin,
    AsyncAdmin,
    AsyncClient,
    AsyncMonitor,
    BatchNeighbours,
    Chunked,
    Client,
    Label,
    Monitor,
    Padded,
    Resume,
    RetryPolicy,
)

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

NOBODY = "127.0.0.1:1"
FRAMES = np.ones((3, 2), np.float32)
MANY_DIGITS = 10**5000  # Python writes no number of so many

Call = Callable[[Any, Any], Any]
LARGE: dict[str, list[tuple[str, int, Call]]] = {
    "Client": [
        ("version", 64, lambda client, number: client.predict("sums", FRAMES, version=number)),
        ("version", 64, lambda client, number: client.predict("sums", [[1, 2]], version=number)),
        ("version", 64, lambda client, number: client.stream("sums", version=number)),
        ("version", 64, lambda client, number: client.stream_chunks("sums", [FRAMES], version=number)),
        ("version", 64, lambda client, number: client.compare("sums", FRAMES, version=number)),
        ("seed", 64, lambda client, number: client.compare("sums", FRAMES, seed=number)),
        *(
            (name, bits, lambda client, number, kind=kind: client.compare("sums", FRAMES, conditions=[kind(number)]))
            for name, bits, kind in (
                ("BatchNeighbours.count", 32, BatchNeighbours),
                ("Padded.frames", 64, Padded),
                ("Chunked.frames", 64, Chunked),
            )
        ),
        ("version", 64, lambda client, number: client.model("sums", number)),
        ("label", 32, lambda client, number: client.report("p1", number)),
        ("step", 64, lambda client, number: client.report("p1", 1, step=number)),
        ("label", 32, lambda client, number: client.report_many([Label(prediction_id="p1", label=number)])),
        ("label", 32, lambda client, number: client.report_stream([Label(prediction_id="p1", label=number)])),
        ("step", 64, lambda client, number: client.report_stream([Label(prediction_id="p1", label=1, step=number)])),
        ("every_frames", 64, lambda client, number: client.stream("sums", resume=Resume(every_frames=number))),
    ],
    "Monitor": [
        ("version", 64, lambda monitor, number: monitor.accuracy("sums", number)),
        ("version", 64, lambda monitor, number: monitor.norm_skew("sums", number)),
        ("version", 64, lambda monitor, number: monitor.sampled_sequences("sums", number)),
    ],
    "Admin": [
        ("version", 64, lambda admin, number: admin.load("sums", number)),
        ("version", 64, lambda admin, number: admin.unload("sums", number)),
        ("labels", 64, lambda admin, number: admin.spread("sums", labels={"stable": number})),
        ("shadow_version", 64, lambda admin, number: admin.spread("sums", shadow_version=number)),
    ],
}
EVERY = [(kind, *call) for kind, calls in LARGE.items() for call in calls]
# Integers, but of no message.
UNBOUNDED: list[tuple[str, str, Call]] = [
    ("Client", "ahead", lambda client, number: client.stream_chunks("sums", [FRAMES], ahead=number)),
    ("Client", "attempts", lambda _, number: RetryPolicy(attempts=number)),
]
KINDS: dict[str, tuple[Any, Any]] = {
    "Client": (Client, AsyncClient),
    "Monitor": (Monitor, AsyncMonitor),
    "Admin": (Admin, AsyncAdmin),
}


def asked(kind: str, call: Call, number: Any, target: str = NOBODY) -> Any:
    """Make a call with the blocking client; returns its answer, the first if it has several."""
    with KINDS[kind][0](target, timeout_seconds=1) as client:
        found = call(client, number)
        return next(found) if isinstance(found, Iterator) else found


def asked_async(kind: str, call: Call, number: Any, target: str = NOBODY) -> Any:
    """As `asked`, with the client for asyncio."""

    async def ask() -> Any:
        async with KINDS[kind][1](target, timeout_seconds=1) as client:
            found = call(client, number)
            if inspect.isawaitable(found):
                return await found
            return await anext(found) if isinstance(found, AsyncIterator) else found

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [asked, asked_async])
@pytest.mark.parametrize(("kind", "argument", "bits", "call"), EVERY)
def test_the_argument_and_its_range_are_named(kind: str, argument: str, bits: int, call: Call, ask: Any) -> None:
    for number in (2 ** (bits - 1), MANY_DIGITS, *(() if argument == "every_frames" else (-(2**bits),))):
        with pytest.raises(ValueError, match=rf"^{argument} must be from -2\^{bits - 1} to 2\^{bits - 1} - 1$"):
            ask(kind, call, number)


@pytest.mark.parametrize("ask", [asked, asked_async])
@pytest.mark.parametrize(("kind", "argument", "call"), [*((*each[:2], each[3]) for each in EVERY), *UNBOUNDED])
def test_what_is_no_integer_is_named(kind: str, argument: str, call: Call, ask: Any) -> None:
    for value in (1.5, 0.0, True, False, np.True_):
        with pytest.raises(TypeError, match=rf"^{argument} must be an integer, not {type(value).__name__}$"):
            ask(kind, call, value)


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3)])
def test_integers_of_numpy_are_integers(fake: FakeServer, number: Any) -> None:
    with Client(fake.target) as client:
        assert client.predict("sums", FRAMES, version=number).frame_count == 3
        with client.stream("sums", version=number) as stream:
            stream.send(FRAMES)
            assert stream.send(FRAMES, first_frame=number).first_frame == 3
        assert len(list(client.stream_chunks("sums", [FRAMES], ahead=number))) == 1


def test_a_place_of_numpy_does_not_overflow(fake: FakeServer) -> None:
    with Client(fake.target) as client, client.stream("sums") as stream:
        stream.send(np.ones((250, 2), np.float32))
        stream.send(np.ones((20, 2), np.float32), first_frame=np.uint8(250))  # type: ignore[arg-type]  # as callers do
        assert stream.frame_count == 270


def test_a_chunk_that_no_message_holds_leaves_the_stream_open(fake: FakeServer) -> None:
    with Client(fake.target) as client, client.stream("sums") as stream:
        for number, error in ((2**63, ValueError), (1.5, TypeError), (True, TypeError)):
            with pytest.raises(error, match=r"^first_frame must be "):
                stream.send(FRAMES, first_frame=number)  # type: ignore[arg-type]
        assert stream.send(FRAMES).frame_count == 3


async def test_a_chunk_that_no_message_holds_leaves_the_stream_open_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client, client.stream("sums") as stream:
        for number, error in ((2**63, ValueError), (1.5, TypeError), (True, TypeError)):
            with pytest.raises(error, match=r"^first_frame must be "):
                await stream.send(FRAMES, first_frame=number)  # type: ignore[arg-type]
        assert (await stream.send(FRAMES)).frame_count == 3
