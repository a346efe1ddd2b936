"""What a load is: where it goes, how much, of what kind, and when each request is due.

Every arrival is fixed before the first one leaves, so a slow server can't thin them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_REQUESTS = 1_000_000


class Arrivals(enum.StrEnum):
    """How arrivals are spread over time."""

    POISSON = "poisson"  # independent callers: the gaps are exponential, and some come in bursts
    UNIFORM = "uniform"  # one every 1 / rate seconds


class Mode(enum.StrEnum):
    """How a sequence is sent."""

    UNARY = "unary"  # whole, with Predict
    STREAM = "stream"  # in chunks, with Stream


@dataclass(frozen=True, kw_only=True)
class Load:
    """One run of the load generator.

    `chunk_frames` is the length of a stream's chunks, None for random cuts; `chunk_interval_seconds` the time between
    them, 0 for "as soon as the last one is answered". `timeout_seconds` bounds each request. With `callers` the loop is
    closed: so many send one request after the other, and the rate plays no part. `processes` share the load.
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
    callers: int | None = None
    processes: int = 1

    def callers_of(self, part: int) -> int:
        """Return how many callers of the closed loop the process of that number, from 0, holds."""
        callers, more = divmod(self.callers or 0, self.processes)
        return callers + (part < more)


def arrival_seconds(
    arrivals: Arrivals, *, rate_per_second: float, seconds: float, seed: int
) -> npt.NDArray[np.float64]:
    """Return the due times in seconds after the start, ascending, all below `seconds`; the same seed gives the same.

    Raises ValueError when the rate or the time is not positive, or when both together ask for more than MAX_REQUESTS.
    """
    if not (rate_per_second > 0 and seconds > 0):
        raise ValueError(f"rate and seconds must be positive, not {rate_per_second:g} and {seconds:g}")
    expected = rate_per_second * seconds
    if not expected <= MAX_REQUESTS:
        raise ValueError(f"{expected:g} requests are more than {MAX_REQUESTS}: lower the rate or the seconds")
    if arrivals is Arrivals.UNIFORM:
        due = np.arange(int(np.ceil(expected))) / rate_per_second
        return due[due < seconds]
    # Given their number, the arrivals of a Poisson process are independent and uniform over the window.
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0.0, seconds, rng.poisson(expected)))
