"""The log level falls back by itself, and a stop is asked for once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

import pytest

from service.app.control import LogLevel, ask_to_stop
from service.app.lifecycle import Stop

USUAL = "warning"


@pytest.fixture(autouse=True)
def _level_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(USUAL.upper())
    yield
    root.setLevel(before)


def level() -> str:
    return logging.getLevelName(logging.getLogger().level).lower()


async def test_a_level_stays_until_another_is_set() -> None:
    levels = LogLevel(USUAL)
    assert (levels.set("debug", 0), level()) == ("debug", "debug")
    assert (levels.set("", 0), level()) == (USUAL, USUAL)


async def test_a_level_falls_back_in_time() -> None:
    levels = LogLevel(USUAL)
    assert levels.set("error", time.monotonic() + 0.01) == "error"
    await asyncio.sleep(0.02)
    assert level() == USUAL


async def test_a_later_level_is_not_undone_by_an_earlier_one() -> None:
    levels = LogLevel(USUAL)
    levels.set("error", time.monotonic() + 0.001)
    levels.set("debug", 0)
    await asyncio.sleep(0.01)
    assert level() == "debug"


async def test_a_level_whose_time_is_over_is_the_usual_one() -> None:
    assert LogLevel(USUAL).set("debug", time.monotonic() - 1) == USUAL


async def test_a_drain_that_has_begun_is_not_cut_by_another() -> None:
    stop = Stop()
    stop.ask(15)
    ask_to_stop(stop)  # a signal would end this process
    assert not stop.now.is_set()
