"""Processors: which of them a thread, and the programs it starts, run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cores(chosen: set[int]) -> Iterator[None]:
    """Run this thread, and what it starts, on these processors until the block ends."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
