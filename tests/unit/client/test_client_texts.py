"""Texts that no message can hold: halves of characters, as Python makes of bytes that aren't UTF-8."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

from soloist import Admin, AsyncAdmin, AsyncClient, AsyncMonitor, Client, Label, Monitor

NOBODY = "127.0.0.1:1"
HALF = "sums\udcff"
FRAMES = np.ones((3, 2), np.float32)

CALLS: dict[str, list[tuple[str, Callable[[Any], Any]]]] = {
    "Client": [
        ("model", lambda client: client.predict(HALF, FRAMES)),
        ("model", lambda client: client.predict(HALF, [[1, 2]])),
        ("version", lambda client: client.predict("sums", FRAMES, version=HALF)),
        ("inputs", lambda client: client.predict("sums", FRAMES, inputs={HALF: FRAMES})),
        ("model", lambda client: client.stream(HALF)),
        ("version", lambda client: client.stream("sums", version=HALF)),
        ("model", lambda client: client.stream_chunks(HALF, [FRAMES])),
        ("model", lambda client: client.compare(HALF, FRAMES)),
        ("siblings", lambda client: client.compare("sums", FRAMES, siblings=[HALF])),
        ("model", lambda client: client.model(HALF)),
        ("version", lambda client: client.model("sums", HALF)),
        ("model", lambda client: client.ready(HALF)),
        ("model", lambda client: client.wait_until_ready(1, model=HALF)),
        ("prediction_id", lambda client: client.report(HALF, 1)),
        ("label", lambda client: client.report("p1", HALF)),
        ("label", lambda client: client.report_many([Label(prediction_id="p1", label=HALF)])),
        ("label", lambda client: client.report_stream([Label(prediction_id="p1", label=HALF)])),
    ],
    "Monitor": [
        ("model", lambda monitor: monitor.accuracy(HALF)),
        ("model", lambda monitor: monitor.norm_skew(HALF)),
        ("version", lambda monitor: monitor.norm_skew("sums", HALF)),
        ("model", lambda monitor: monitor.sampled_sequences(HALF)),
    ],
    "Admin": [
        ("model", lambda admin: admin.load(HALF)),
        ("model", lambda admin: admin.unload(HALF)),
        ("model", lambda admin: admin.rollout(HALF)),
        ("model", lambda admin: admin.spread(HALF)),
        ("labels", lambda admin: admin.spread("sums", labels={HALF: 1})),
    ],
}
EVERY = [(kind, *call) for kind, calls in CALLS.items() for call in calls]
KINDS: dict[str, tuple[Any, Any]] = {
    "Client": (Client, AsyncClient),
    "Monitor": (Monitor, AsyncMonitor),
    "Admin": (Admin, AsyncAdmin),
}


def refused(argument: str) -> Any:
    return pytest.raises(ValueError, match=rf"^{argument} is 'sums\\udcff', which has no UTF-8 form$")


@pytest.mark.parametrize(("kind", "argument", "call"), EVERY)
def test_the_argument_is_named(kind: str, argument: str, call: Callable[[Any], Any]) -> None:
    with KINDS[kind][0](NOBODY, timeout_seconds=1) as client, refused(argument) as caught:
        found = call(client)
        if isinstance(found, Iterator):
            next(found)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize(("kind", "argument", "call"), EVERY)
def test_the_argument_is_named_with_asyncio(kind: str, argument: str, call: Callable[[Any], Any]) -> None:
    async def ask() -> None:
        async with KINDS[kind][1](NOBODY, timeout_seconds=1) as client:
            found = call(client)
            if inspect.isawaitable(found):
                await found
            elif isinstance(found, AsyncIterator):
                await anext(found)

    with refused(argument) as caught:
        asyncio.run(ask())
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("kind", [each for both in KINDS.values() for each in both])
def test_a_target_is_named(kind: Any) -> None:
    with refused("target"):
        kind(HALF)
