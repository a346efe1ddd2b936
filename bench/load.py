"""Owns what a load is: where it goes, how much, of what kind, and its bounds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from bench.schedule import Arrivals


class Mode(enum.StrEnum):
    """How a sequence is sent."""

    UNARY = "unary"  # whole, with Predict
    STREAM = "stream"  # in chunks, with Stream


@dataclass(frozen=True, kw_only=True)
class Load:
    """One run of the load generator.

    `chunk_frames` is the length of a stream's chunks, None for random cuts; `chunk_interval_seconds` the time between
    them, 0 for "as soon as the last one is answered". `timeout_seconds` bounds each request.
    """

    server: str
    model: str
    rate_per_second: float
    seconds: float
    mode: Mode = Mode.UNARY
    arrivals: Arrivals = Arrivals.POISSON
    seed: int = 0
    chunk_frames: int | None = None
    chunk_interval_seconds: float = 0.0
    timeout_seconds: float = 10.0
    max_in_flight: int = 1000
