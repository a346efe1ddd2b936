from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.serving.session import Session
from service.serving.session_metrics import SessionEnd
from service.serving.sessions import Sessions
from soloist.v1.sequence_inference_pb2 import Chunk, ChunkResult
from tests.integration.asking import ones
from tests.servables import GatedRunner, servable
from tests.unit.service.conftest import Meter

STATE_BYTES = 100
TARGET = servable(GatedRunner(state_bytes=STATE_BYTES))


@pytest.fixture
def sessions(meter: Meter) -> Sessions:
    return Sessions(max_sessions=3, max_state_bytes=250, metrics=meter.metrics.sessions)


def in_time() -> bool:
    return False


def too_late() -> bool:
    return True


def _chunk(first_frame: int, frames: int = 2) -> Chunk:
    return Chunk(first_frame=first_frame, frames=ones(frames))


def _written(prediction_id: str) -> bytes:
    return ChunkResult(prediction_id=prediction_id, frame_count=2).SerializeToString()


def _answer(session: Session, chunk: Chunk) -> bytes:
    """Answer a chunk as the handler does."""
    known = session.answered(chunk)
    if known is not None:
        return known
    frames = chunk.frames.shape[0]
    result = _written(f"answer at {chunk.first_frame}")
    session.advance(chunk, frames, {"sum": np.full((1, 1), session.frame_count + frames, np.float32)}, result)
    return result


def test_a_chunk_counts_once_however_often_it_is_sent(sessions: Sessions) -> None:
    with sessions.open(TARGET, in_time) as session:
        _answer(session, _chunk(0))
        first = _answer(session, _chunk(2))
        assert _answer(session, _chunk(2)) == first
        assert (session.frame_count, session.states["sum"].item()) == (4, 4)
        _answer(session, _chunk(4))
        assert session.frame_count == 6


def test_what_is_held_for_a_repeat_counts_and_is_bounded(sessions: Sessions, meter: Meter) -> None:
    with sessions.open(TARGET, in_time) as session:
        result = _written("a" * 100)
        session.advance(_chunk(0), 2, {}, result)
        assert session.state_bytes == STATE_BYTES + len(result)
        assert meter.value("soloist_session_state_bytes", model="gated") == session.state_bytes
        with pytest.raises(ServiceError) as caught:
            session.advance(_chunk(2), 2, {}, _written("b" * 200))
        assert caught.value.reason is Reason.SESSION_STATE_FULL
        assert session.answered(_chunk(0)) == result
    assert meter.value("soloist_session_state_bytes", model="gated") == 0


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (_chunk(5), Reason.CHUNK_GAP),
        (_chunk(3), Reason.CHUNK_OVERLAP),
        (_chunk(0), Reason.CHUNK_OVERLAP),
        (_chunk(2, frames=1), Reason.CHUNK_CONFLICT),
    ],
)
def test_a_chunk_out_of_order_names_the_frame_that_comes_next(
    sessions: Sessions, chunk: Chunk, reason: ErrorKind
) -> None:
    with sessions.open(TARGET, in_time) as session:
        _answer(session, _chunk(0))
        _answer(session, _chunk(2))
        with pytest.raises(ServiceError) as caught:
            session.answered(chunk)
        assert caught.value.reason is reason
        assert caught.value.facts == {"first_frame": chunk.first_frame, "expected_first_frame": 4}
        assert session.frame_count == 4


def test_sessions_are_bounded_in_number(meter: Meter) -> None:
    sessions = Sessions(max_sessions=1, max_state_bytes=10_000, metrics=meter.metrics.sessions)
    with sessions.open(TARGET, in_time):
        with pytest.raises(ServiceError) as caught, sessions.open(TARGET, in_time):
            pass
        assert caught.value.reason is Reason.TOO_MANY_SESSIONS
        assert len(sessions) == 1
    with sessions.open(TARGET, in_time):
        assert len(sessions) == 1


def test_one_client_has_a_part_of_the_sessions(meter: Meter) -> None:
    sessions = Sessions(
        max_sessions=3, max_state_bytes=10_000, metrics=meter.metrics.sessions, max_sessions_per_client=1
    )
    with sessions.open(TARGET, in_time, "one"):
        with pytest.raises(ServiceError) as caught, sessions.open(TARGET, in_time, "one"):
            pass
        assert caught.value.reason is Reason.CLIENT_LIMIT
        with sessions.open(TARGET, in_time, "other"):
            assert len(sessions) == 2
    with sessions.open(TARGET, in_time, "one"):
        assert len(sessions) == 1


def test_sessions_are_bounded_in_memory(sessions: Sessions, meter: Meter) -> None:
    with sessions.open(TARGET, in_time), sessions.open(TARGET, in_time):
        assert meter.value("soloist_session_state_bytes", model="gated") == 2 * STATE_BYTES
        with pytest.raises(ServiceError) as caught, sessions.open(TARGET, in_time):
            pass
        assert caught.value.reason is Reason.SESSION_STATE_FULL
        assert caught.value.facts == {"state_bytes": 2 * STATE_BYTES, "max_state_bytes": 250}
    assert meter.value("soloist_session_state_bytes", model="gated") == 0
    assert meter.value("soloist_sessions_open", model="gated") == 0


@pytest.mark.parametrize(
    ("error", "is_past_deadline", "end"),
    [
        (None, in_time, "complete"),
        (ServiceError(Reason.STREAM_CUT), in_time, "cancelled"),
        (ServiceError(Reason.STREAM_CUT), too_late, "deadline"),
        (asyncio.CancelledError(), in_time, "cancelled"),
        (asyncio.CancelledError(), too_late, "deadline"),
        (GeneratorExit(), in_time, "cancelled"),
        (ServiceError(Reason.DEADLINE_EXCEEDED), too_late, "deadline"),
        (ServiceError(Reason.SESSION_IDLE), in_time, "idle"),
        (ServiceError(Reason.SERVER_DRAINING), in_time, "drained"),
        (ServiceError(Reason.CHUNK_GAP), in_time, "error"),
        (RuntimeError(), in_time, "error"),
    ],
)
def test_every_end_is_counted_once_for_what_it_was(
    sessions: Sessions, meter: Meter, error: BaseException | None, is_past_deadline: Callable[[], bool], end: str
) -> None:
    ended = _end(sessions, meter, error, is_past_deadline)
    assert ended == {end: 1}
    assert len(sessions) == 0


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), ServiceError(Reason.STREAM_CUT)])
def test_what_the_drain_cuts_is_counted_as_drained(sessions: Sessions, meter: Meter, error: BaseException) -> None:
    sessions.expect_cut()
    assert _end(sessions, meter, error, in_time) == {"drained": 1}


def _end(
    sessions: Sessions, meter: Meter, error: BaseException | None, is_past_deadline: Callable[[], bool]
) -> dict[str, float]:
    """End a session so; return how often each end was counted."""
    expected = () if error is None else (type(error),)
    with suppress(*expected), sessions.open(TARGET, is_past_deadline):
        if error is not None:
            raise error
    samples = next(iter(meter.metrics.sessions.ended.collect())).samples
    return {
        sample.labels["reason"]: sample.value for sample in samples if sample.value and sample.name.endswith("_total")
    }


class Evicted:
    """Hears of its eviction."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, idle_seconds: float) -> None:
        self.seconds.append(idle_seconds)


def _bounded(meter: Meter, *, after: float = 0.0, count: int = 3, state_bytes: int = 250) -> Sessions:
    return Sessions(
        max_sessions=count,
        max_state_bytes=state_bytes,
        metrics=meter.metrics.sessions,
        evict_after_idle_seconds=after,
    )


def _idle(sessions: Sessions) -> tuple[Session, Evicted]:
    session, evicted = sessions.begin(TARGET), Evicted()
    sessions.idle.add(session, evicted)
    return session, evicted


@pytest.mark.parametrize("bounds", [{"count": 2, "state_bytes": 10_000}, {"count": 3}], ids=["number", "memory"])
def test_the_one_idle_longest_makes_room(meter: Meter, bounds: dict[str, int]) -> None:
    sessions = _bounded(meter, **bounds)
    (first, first_evicted), (second, second_evicted) = _idle(sessions), _idle(sessions)
    sessions.idle.remove(first)
    sessions.idle.add(first, first_evicted)
    sessions.begin(TARGET)
    assert (first_evicted.seconds, len(second_evicted.seconds)) == ([], 1)
    assert second.states == {}
    assert len(sessions) == 2
    assert meter.value("soloist_sessions_ended_total", model="gated", reason="evicted") == 1
    assert meter.value("soloist_session_state_bytes", model="gated") == 2 * STATE_BYTES
    sessions.end(second, SessionEnd.COMPLETE)  # its owner comes to hear of it later
    assert len(sessions) == 2
    assert meter.value("soloist_sessions_ended_total", model="gated", reason="complete") is None


def test_a_session_that_grows_evicts_as_many_as_it_needs(meter: Meter) -> None:
    sessions = _bounded(meter, count=10, state_bytes=450)
    growing = sessions.begin(TARGET)
    idle = [_idle(sessions)[1] for _ in range(3)]
    growing.advance(_chunk(0), 2, {}, _written("a" * 150))
    assert [len(evicted.seconds) for evicted in idle] == [1, 1, 0]
    assert meter.value("soloist_session_state_bytes", model="gated") == growing.state_bytes + STATE_BYTES


def test_nobody_is_evicted_where_it_does_not_help(meter: Meter) -> None:
    sessions = _bounded(meter, count=10)
    growing = sessions.begin(TARGET)
    _, evicted = _idle(sessions)
    with pytest.raises(ServiceError) as caught:
        growing.advance(_chunk(0), 2, {}, _written("a" * 300))
    assert caught.value.reason is Reason.SESSION_STATE_FULL
    assert evicted.seconds == []


def test_those_in_use_and_those_idle_for_a_moment_are_not_evicted(meter: Meter) -> None:
    sessions = _bounded(meter, after=1000.0, count=2, state_bytes=10_000)
    _idle(sessions)
    in_use, _ = _idle(sessions)
    sessions.idle.remove(in_use)
    with pytest.raises(ServiceError) as caught:
        sessions.begin(TARGET)
    assert caught.value.reason is Reason.TOO_MANY_SESSIONS


def test_one_newcomer_evicts_a_bounded_number(meter: Meter) -> None:
    sessions = _bounded(meter, count=1000, state_bytes=100 * STATE_BYTES)
    idle = [_idle(sessions)[1] for _ in range(99)]
    growing = sessions.begin(TARGET)
    with pytest.raises(ServiceError):
        growing.advance(_chunk(0), 2, {}, _written("a" * 2000))
    growing.advance(_chunk(0), 2, {}, _written("a" * 1500))
    assert sum(len(evicted.seconds) for evicted in idle) == 16
