from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from service.api.oip.sequences import Key, Sequences
from service.core.errors import Reason, ServiceError
from service.serving.session import Session
from service.serving.session_metrics import SessionEnd
from service.serving.sessions import Sessions
from tests.servables import GatedRunner, servable
from tests.unit.service.awaited_executor import turns
from tests.unit.service.conftest import Meter

TARGET = servable(GatedRunner(state_bytes=4))
KEY = Key("gated", "", 7)
LONG, SHORT = 1000.0, 0.01


class WatchedSessions(Sessions):
    """Tells when a session has ended."""

    def __init__(self, **bounds: Any) -> None:
        super().__init__(**bounds)
        self.ended = asyncio.Event()

    def end(self, session: Session, reason: SessionEnd) -> None:
        super().end(session, reason)
        self.ended.set()


@pytest.fixture
def sessions(meter: Meter) -> WatchedSessions:
    return WatchedSessions(max_sessions=2, max_state_bytes=1000, metrics=meter.metrics.sessions)


async def _begun(sequences: Sequences, key: Key) -> None:
    async with sequences.lease(key) as lease:
        lease.begin(TARGET)


async def _missing(sequences: Sequences, key: Key) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        async with sequences.lease(key) as lease:
            assert lease.session
    return caught.value


async def test_a_session_lives_from_turn_to_turn(sessions: Sessions) -> None:
    sequences = Sequences(sessions, idle_seconds=LONG)
    async with sequences.lease(KEY) as lease:
        session = lease.begin(TARGET)
    async with sequences.lease(KEY) as lease:
        assert lease.session is session
        lease.end(SessionEnd.COMPLETE)
    assert (await _missing(sequences, KEY)).reason is Reason.SEQUENCE_NOT_FOUND
    assert len(sessions) == 0


async def test_numbers_texts_models_and_versions_make_sequences_of_their_own(sessions: Sessions) -> None:
    sequences = Sequences(sessions, idle_seconds=LONG)
    await _begun(sequences, KEY)
    for other in (Key("gated", "", "7"), Key("gated", "1", 7), Key("other", "", 7), Key("gated", "", 8)):
        assert (await _missing(sequences, other)).reason is Reason.SEQUENCE_NOT_FOUND


async def test_turns_are_taken_in_the_order_of_the_requests_and_others_do_not_wait(sessions: Sessions) -> None:
    sequences = Sequences(sessions, idle_seconds=LONG)
    order: list[int] = []

    async def take(number: int) -> None:
        async with sequences.lease(KEY):
            order.append(number)
            await turns()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sequences.lease(KEY))
        waiting = [asyncio.ensure_future(take(number)) for number in range(3)]
        await turns()
        assert order == []
        async with sequences.lease(Key("gated", "", 8)):
            order.append(-1)
        waiting[1].cancel()
    await asyncio.wait(waiting)
    assert order == [-1, 0, 2]


async def test_a_sequence_that_is_idle_is_ended_and_a_late_request_is_told_why(
    sessions: WatchedSessions, meter: Meter
) -> None:
    sequences = Sequences(sessions, idle_seconds=SHORT)
    await _begun(sequences, KEY)
    async with sequences.lease(Key("gated", "", 8)) as lease:  # one that is in use isn't idle, however long it takes
        lease.begin(TARGET)
        await sessions.ended.wait()
        assert len(sessions) == 1
        error = await _missing(sequences, KEY)
        assert (error.reason, error.facts["idle_seconds"]) == (Reason.SEQUENCE_EVICTED, SHORT)
    assert meter.value("soloist_sessions_ended_total", model="gated", reason="idle") == 1
    async with sequences.lease(KEY) as lease:
        lease.begin(TARGET)
        lease.end(SessionEnd.COMPLETE)
    assert (await _missing(sequences, KEY)).reason is Reason.SEQUENCE_NOT_FOUND


async def test_sequences_are_bounded_with_all_other_sessions(sessions: Sessions) -> None:
    sequences = Sequences(sessions, idle_seconds=LONG)
    await _begun(sequences, KEY)
    with sessions.open(TARGET, lambda: False), pytest.raises(ServiceError) as caught:
        await _begun(sequences, Key("gated", "", 8))
    assert caught.value.reason is Reason.TOO_MANY_SESSIONS


async def test_an_idle_sequence_makes_room_and_one_in_use_does_not(meter: Meter) -> None:
    sessions = Sessions(
        max_sessions=2, max_state_bytes=1000, metrics=meter.metrics.sessions, evict_after_idle_seconds=0.0
    )
    sequences = Sequences(sessions, idle_seconds=LONG)
    await _begun(sequences, KEY)
    await _begun(sequences, Key("gated", "", 8))
    async with sequences.lease(KEY) as lease:
        await _begun(sequences, Key("gated", "", 9))
        assert lease.session
        assert (await _missing(sequences, Key("gated", "", 8))).reason is Reason.SEQUENCE_EVICTED
        async with sequences.lease(Key("gated", "", 9)):
            with pytest.raises(ServiceError) as caught:
                await _begun(sequences, Key("gated", "", 10))
        assert caught.value.reason is Reason.TOO_MANY_SESSIONS
        lease.end(SessionEnd.COMPLETE)
    assert meter.value("soloist_sessions_ended_total", model="gated", reason="evicted") == 1
    assert len(sessions) == 1
