"""The checks of the clocks: whether they run alike, and whether something keeps the wall clock right."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from service.doctor.finding import Finding, Verdict

_AREA = "clock"
_WATCHED_SECONDS = 0.05
_MOST_APART_SECONDS = 0.005
# Prediction ids hold the time, labels and certificates are compared with it.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_ERROR = 5  # TIME_ERROR of adjtimex(2): the clock isn't synchronised


class _Timex(ctypes.Structure):
    """The first fields of `struct timex`, which adjtimex fills in, and room for the others."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error_us", ctypes.c_long),
        ("estimated_error_us", ctypes.c_long),
        ("status", ctypes.c_int),
        ("others", ctypes.c_char * 256),
    )


def clock(
    wall: Callable[[], float] = time.time,
    steady: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Finding]:
    """Return findings about the clocks.

    Args:
        wall: returns the time of day, in seconds.
        steady: returns the seconds of a clock that nothing sets.
        wait: waits that many seconds.

    """
    now = datetime.fromtimestamp(wall(), UTC)
    is_early = now < _EARLIEST
    yield Finding(
        area=_AREA,
        what="time",
        found=now.isoformat(timespec="seconds"),
        verdict=Verdict.WRONG if is_early else Verdict.OK,
        remedy="set the clock: certificates and prediction ids depend on it" if is_early else "",
    )
    began = wall(), steady()
    wait(_WATCHED_SECONDS)
    apart = abs((wall() - began[0]) - (steady() - began[1]))
    is_apart = apart > _MOST_APART_SECONDS
    yield Finding(
        area=_AREA,
        what="wall and monotonic clock",
        found=f"{apart * 1e3:.3f} ms apart after {_WATCHED_SECONDS * 1e3:.0f} ms",
        verdict=Verdict.NOTE if is_apart else Verdict.OK,
        remedy="something sets the clock: let it be slewed, not stepped" if is_apart else "",
    )
    if sys.platform == "linux":
        yield _synchronised()


def _synchronised() -> Finding:
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0:
        return Finding(area=_AREA, what="synchronised", found="unknown: the system doesn't say")
    if state != _ERROR:
        return Finding(area=_AREA, what="synchronised", found=f"yes, within {timex.max_error_us / 1e3:.1f} ms")
    return Finding(
        area=_AREA,
        what="synchronised",
        found="no",
        verdict=Verdict.NOTE,
        remedy="run chrony or systemd-timesyncd on the host: labels of several machines are joined by time",
    )
