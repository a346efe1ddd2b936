"""What a load is: where it goes, how much, of what kind, and when each request is due.

Every arrival is fixed before the first one leaves, so a slow server can't thin them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soloist import TLS, Token

MAX_REQUESTS = 1_000_000
# Servers allow so many streams over a connection, gRPC's own advice; beyond the bound more connections help no more.
_STREAMS_A_CONNECTION = 100
_MOST_CONNECTIONS = 16
_OPENED_A_SECOND = 500
_COARSE_INTERVAL_SECONDS = 0.02


class Arrivals(enum.StrEnum):
    """How arrivals are spread over time."""

    POISSON = "poisson"  # independent callers: the gaps are exponential, and some come in bursts
    UNIFORM = "uniform"  # one every 1 / rate seconds


class Mode(enum.StrEnum):
    """How a sequence is sent."""

    UNARY = "unary"  # whole, with one call
    STREAM = "stream"  # in chunks, as a stream
    MIXED = "mixed"  # some whole and some as streams, side by side


class Api(enum.StrEnum):
    """Which service is asked."""

    OWN = "soloist"  # soloist.v1.SequenceInference
    OIP = "oip"  # inference.GRPCInferenceService, the Open Inference Protocol


class Transport(enum.StrEnum):
    """What the generator speaks gRPC with."""

    GRPC_AIO = "grpc.aio"
    HTTPUNK = "httpunk"


@dataclass(frozen=True, kw_only=True)
class Load:
    """One run of the load generator.

    `stream_share` of the requests are streams when the mode is mixed. `chunk_frames` is the length of a stream's
    chunks, None for random cuts; `chunk_interval_seconds` the time between them, 0 for "as soon as the last one is
    answered". Of a stream up to `chunks_in_flight` chunks are unanswered. `timeout_seconds` bounds each request, and
    each message of a stream that is paced. With `callers` the loop is closed: so many send one request after the
    other, and the rate plays no part. `processes` share the load; each has `connections`, None for as many as suit it.
    `frame_counts` are the shortest and the longest sequence that are made up, None for those that the model was trained
    on. With `check` every answer is compared to that which the same request has alone. Over grpc.aio `tls` is how to
    connect, and `token` is shown with every call.
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
    chunks_in_flight: int = 1
    timeout_seconds: float = 10.0
    max_in_flight: int = 1000
    callers: int | None = None
    processes: int = 1
    stream_share: float = 0.5
    api: Api = Api.OWN
    client: Transport = Transport.GRPC_AIO
    connections: int | None = None
    frame_counts: tuple[int, int] | None = None
    check: bool = False
    tls: TLS | None = None
    token: Token | None = None

    @property
    def streams(self) -> bool:
        """Return whether any request is a stream."""
        return self.mode is not Mode.UNARY

    @property
    def paced(self) -> bool:
        """Return whether chunks leave in real time."""
        return self.streams and self.chunk_interval_seconds > 0

    @property
    def waits_awake(self) -> bool:
        """Return whether the generator waits awake, to be in time: not where a millisecond is little to its pace."""
        return not self.callers or (self.paced and self.chunk_interval_seconds < _COARSE_INTERVAL_SECONDS)

    @property
    def connections_of_a_process(self) -> int:
        """Return how many connections each process has: one for each hundred streams unless it is told."""
        if self.connections is not None:
            return self.connections
        at_once = self.callers_of(0) if self.callers and self.streams else 1
        return max(1, min(_MOST_CONNECTIONS, -(-at_once // _STREAMS_A_CONNECTION)))

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


def turn_seconds(load: Load, part: int) -> list[float]:
    """Return when each caller of a process begins: all at once, or spread at random where chunks leave in real time.

    Otherwise the chunks of all streams would be due at the same moments, and all streams would open at one.
    """
    callers = load.callers_of(part)
    if not load.paced:
        return [0.0] * callers
    spread = max(load.chunk_interval_seconds, (load.callers or 0) / _OPENED_A_SECOND)
    drawn = np.random.default_rng((load.seed, part)).uniform(0.0, spread, callers)
    return [float(seconds) for seconds in np.sort(drawn)]
