"""Random histories of a server in virtual time: none fails, and faults that are planted are found and made short."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from bench.state_machine.__main__ import main
from bench.state_machine.run import Outcome, run, run_in_processes
from service.serving.batcher.job import Job
from service.serving.idle_sessions import IdleSessions
from service.serving.prediction_ids import now_ms
from service.serving.resume import ResumableStream
from service.serving.session import Session
from service.serving.session_state import pack
from service.serving.sessions import Sessions

_ENOUGH_STEPS = 100_000


@pytest.fixture(scope="module")
def histories() -> Outcome:
    return run(9_000, first_seed=0)


def test_nothing_is_lost_and_no_answer_is_wrong(histories: Outcome) -> None:
    assert histories.failure == ""
    assert histories.tally.steps.total() >= 9_000
    ends = set(histories.tally.outcomes)
    assert {"OK", "UNAVAILABLE SESSION_EVICTED", "ABORTED SESSION_IDLE", "CANCELLED STREAM_CUT"} <= ends


def test_tokens_continue_sequences_and_are_refused(histories: Outcome) -> None:
    tally = histories.tally
    assert tally.steps["continue"] > 0
    refused = {reason.split()[1] for reason in tally.outcomes if "RESUME" in reason}
    assert {"RESUME_TOKEN_INVALID", "RESUME_TOKEN_EXPIRED", "RESUME_TOKEN_FOREIGN"} <= refused


def test_servers_share_sequences_in_a_store(histories: Outcome) -> None:
    tally = histories.tally
    assert {"go on", "send again", "race", "hold questions", "take question"} <= set(tally.steps)
    ends = {reason.split()[-1] for reason in tally.outcomes}
    assert {"SEQUENCE_CONFLICT", "SEQUENCE_REQUEST_CONFLICT", "SEQUENCE_STORE_UNAVAILABLE", "CHUNK_GAP"} <= ends


def test_several_processes_share_the_steps() -> None:
    outcome = run_in_processes(200, first_seed=0, processes=2)
    assert outcome.failure == ""
    assert outcome.tally.steps.total() >= 200


def test_one_seed_gives_the_same_histories() -> None:
    first, second = run(500, first_seed=7), run(500, first_seed=7)
    assert (first.failure, second.failure) == ("", "")
    assert (first.tally.steps, first.tally.outcomes) == (second.tally.steps, second.tally.outcomes)


def _never_busy(_idle: IdleSessions[Session], _session: Session) -> None:
    """A session that is in use stays among the idle ones."""


def _leak(sessions: Sessions, _servable: Any, state_bytes: int) -> None:
    sessions._state_bytes += max(0, state_bytes)


def _forget_last(_session: Session, _chunk: Any) -> None:
    """Every chunk counts as new."""


def _another_time(_stream: ResumableStream) -> bytes:
    session, ids = _stream._session, _stream._session.ids
    assert ids is not None
    ids.ms = now_ms()
    _stream._sealed_at = session.frame_count
    return _stream._resumption.tokens.seal(pack(session, ids), session.servable)


def _ignore_order(job: Job, frames: int, _started: float) -> Any:
    job._running_frames = frames
    return job.row.part(job._done_frames, frames, job.row.states)


@pytest.mark.parametrize(
    ("part", "name", "fault"),
    [
        (Sessions, "_grow", _leak),
        (Session, "answered", _forget_last),
        (Job, "begin_slice", _ignore_order),
        (ResumableStream, "_token", _another_time),
    ],
    ids=["leaks bytes", "counts repeats twice", "loses the state between slices", "gives another id after a repeat"],
)
def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, part: Any, name: str, fault: Any) -> None:
    monkeypatch.setattr(part, name, fault)
    assert "Failing test case" in run(_ENOUGH_STEPS, first_seed=0, shortens=False).failure


def test_the_history_of_a_planted_fault_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IdleSessions, "remove", _never_busy)
    failure = run(_ENOUGH_STEPS, first_seed=0).failure
    assert "Failing test case" in failure
    assert failure.count("state.") < 12


def test_the_command_prints_what_it_tried() -> None:
    result = CliRunner().invoke(main, ["--steps", "300", "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert "histories, seed 3" in result.output
    assert "nobody waited for ever" in result.output
