"""The bench of streams' memory: a real server, and streams that were sent a chunk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from bench.server.process import serving
from bench.stream_memory import measure, situations
from tests.graphs import Sums

_FRAMES = 2_000


def test_what_is_held_for_a_repeat_is_counted(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path)
    frames = np.ones((_FRAMES, 2), np.float32)
    every = situations("sums", frames, idle=1, spoken=3, unread=1)[2]
    with serving(tmp_path, {}) as server:
        held = asyncio.run(measure(every, server.grpc, server.http))
    assert held.streams == 3
    assert _FRAMES * 8 < held.counted < _FRAMES * 8 + 200  # the answer, and a state of two numbers
