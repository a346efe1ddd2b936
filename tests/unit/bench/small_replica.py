"""Owns the bounds of a small replica, for histories that are written by hand."""

from __future__ import annotations

from bench.state_machine.replica import Bounds

BOUNDS = Bounds(
    max_sessions=4,
    max_state_bytes=2**20,
    evict_after_seconds=5.0,
    idle_seconds=20.0,
    workers=1,
    max_slice_frames=64,
    max_inline_seconds=0.0,
    shows_cancels=True,
    max_stream_age_seconds=0.0,
)
