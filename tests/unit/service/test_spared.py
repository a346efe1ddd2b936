"""What the garbage collector is spared, and what it is not."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from service.app import spared
from service.app.spared import Sparing


class _Node:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    was_frozen = gc.get_freeze_count()
    yield
    if not was_frozen:
        gc.unfreeze()


def test_garbage_among_what_was_spared_is_found_the_next_time() -> None:
    node = _Node()
    spared.spare_what_is_loaded()
    seen = weakref.ref(node)
    del node
    gc.collect()
    assert seen() is not None  # nobody looks
    spared.spare_what_is_loaded()
    assert seen() is None


def test_what_is_imported_is_never_looked_at() -> None:
    frozen = gc.get_freeze_count()
    with spared.imports_spared():
        assert not gc.isenabled()
        node = _Node()
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen
    assert node.itself is node


async def test_changes_in_a_row_are_dealt_with_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[None] = []
    done = asyncio.Event()

    def spare() -> None:
        times.append(None)
        done.set()

    monkeypatch.setattr(spared, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(spared, "spare_what_is_loaded", spare)
    sparing = Sparing()
    for _ in range(3):
        sparing.soon()
    await done.wait()
    assert len(times) == 1
