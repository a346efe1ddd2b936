from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.loading.servable import Servable
from service.sealing.keys_file import Key, new_key
from service.sealing.sealer import Sealer
from service.serving import resume_token
from service.serving.prediction_ids import SequenceIds, new_prediction_id
from service.serving.resume_token import ResumeTokens, restored
from service.serving.session import Session
from service.serving.session_state import Restored, pack
from soloist.v1.sequence_inference_pb2 import Chunk, ChunkResult
from tests.integration.asking import ones
from tests.servables import GatedRunner, servable

KEY = new_key(seals_from=0)
TARGET = servable(GatedRunner())


class Maker:
    """Tokens at a time of the test's choice."""

    def __init__(self, key: Key = KEY, *, max_bytes: int = 100_000) -> None:
        self.now = 1000.0
        sealer = Sealer(lambda: key, {key.id: key}.get)
        self.tokens = ResumeTokens(sealer, seconds=60, max_bytes=max_bytes, clock=lambda: self.now)

    def token(self, session: Session) -> bytes:
        assert session.ids is not None
        return self.tokens.seal(pack(session, session.ids), session.servable)

    def refusal(self, token: bytes, target: Servable = TARGET) -> ErrorKind:
        with pytest.raises(ServiceError) as caught:
            restored(self.tokens.open(token), target)
        return caught.value.reason

    def restored(self, token: bytes) -> Restored:
        return restored(self.tokens.open(token), TARGET)


def a_session(outputs: bytes = b"") -> Session:
    session = Session(TARGET)
    session.restore(SequenceIds(ms=123), session.states, 0, None)
    result = ChunkResult(prediction_id="id", frame_count=3)
    result.outputs.data = outputs
    odd: Any = np.array([[np.nan]], np.float32).view(np.uint32) ^ 1  # a NaN with a payload keeps its bits
    session.advance(Chunk(frames=ones(3, 1)), 3, {"sum": odd.view(np.float32)}, result.SerializeToString())
    return session


def test_a_token_holds_all_that_the_session_was() -> None:
    session = a_session()
    assert session.ids is not None
    found = Maker().restored(Maker().token(session))
    assert found.states["sum"].tobytes() == session.states["sum"].tobytes()
    assert (found.frame_count, found.last) == (3, session.last)
    again = Session(TARGET)
    again.restore(*found)
    assert again.id == session.id
    assert again.ids is not None
    assert again.ids.at(3) == session.ids.at(3)
    assert again.answered(Chunk(frames=ones(3, 1))) == session.answered(Chunk(frames=ones(3, 1)))


def test_a_long_answer_is_not_carried_and_a_repeat_of_its_chunk_says_so() -> None:
    maker = Maker()
    token = maker.token(a_session(bytes(50_000)))
    assert len(token) < 1000
    session = Session(TARGET)
    session.restore(*maker.restored(token))
    with pytest.raises(ServiceError) as caught:
        session.answered(Chunk(frames=ones(3, 1)))
    assert caught.value.reason is Reason.ANSWER_NOT_CARRIED
    assert caught.value.facts["expected_first_frame"] == 3
    with pytest.raises(ServiceError) as caught:
        session.answered(Chunk(frames=ones(2, 1)))
    assert caught.value.reason is Reason.CHUNK_CONFLICT


def test_a_token_expires() -> None:
    maker = Maker()
    token = maker.token(a_session())
    maker.now += 60
    maker.restored(token)
    maker.now += 1
    assert maker.refusal(token) is Reason.RESUME_TOKEN_EXPIRED


def test_a_token_is_of_one_version_of_one_file_and_one_key() -> None:
    maker, token = Maker(), Maker().token(a_session())
    others = [replace(TARGET, name="other"), replace(TARGET, version=2), replace(TARGET, sha256="other")]
    assert [maker.refusal(token, other) for other in others] == [Reason.RESUME_TOKEN_FOREIGN] * 3
    assert Maker(new_key(seals_from=0)).refusal(token) is Reason.RESUME_KEY_UNKNOWN


def test_a_state_in_the_form_of_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    token = Maker().token(a_session())
    monkeypatch.setattr(resume_token, "FORM", 2)
    assert Maker().refusal(token) is Reason.RESUME_TOKEN_FOREIGN


def test_a_machine_with_other_bits_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    token = Maker().token(a_session())
    monkeypatch.setattr(resume_token, "fingerprint_sha256", lambda: b"another processor")
    assert Maker().refusal(token) is Reason.RESUME_MACHINE_DIFFERS


def test_no_bit_of_a_token_can_be_changed() -> None:
    maker = Maker()
    token = maker.token(a_session())
    for place in range(len(token)):
        changed = bytearray(token)
        changed[place] ^= 4
        assert maker.refusal(bytes(changed)) in {Reason.RESUME_TOKEN_INVALID, Reason.RESUME_KEY_UNKNOWN}
    assert Maker(max_bytes=100).refusal(token) is Reason.RESUME_TOKEN_INVALID


def test_a_version_with_too_much_state_gets_no_tokens() -> None:
    maker = Maker()
    maker.tokens.require_room(TARGET)
    with pytest.raises(ServiceError) as caught:
        maker.tokens.require_room(servable(GatedRunner(state_bytes=100_000)))
    assert caught.value.reason is Reason.RESUME_STATE_TOO_LARGE


def test_ids_are_new_and_cannot_be_guessed_from_others() -> None:
    ids = [new_prediction_id() for _ in range(1000)]
    assert len({each[12:] for each in ids}) == 1000
    assert all(len(each) == 32 for each in ids)
    assert [each[:12] for each in ids] == sorted(each[:12] for each in ids)
    shared = [sum(one == other for one, other in zip(a[12:], b[12:], strict=True)) for a, b in itertools.pairwise(ids)]
    assert sum(shared) / len(shared) < 10  # the 8 of the process, and 0.75 of 12 by chance


def test_ids_of_a_sequence_follow_from_its_key_and_the_frame_alone() -> None:
    one, other = SequenceIds(ms=5), SequenceIds(ms=5)
    again = SequenceIds(one.key, 5)
    assert [again.at(frame) for frame in range(9)] == [one.at(frame) for frame in range(9)]
    assert len({each.at(frame) for each in (one, other) for frame in range(9)}) == 18
    assert (again.session_id, len(one.session_id)) == (one.session_id, 32)
    assert one.session_id != other.session_id


def test_a_token_of_a_client_is_refused_for_others_before_anything_else_is_told_of_it() -> None:
    maker = Maker()
    session = a_session()
    assert session.ids is not None
    state = pack(session, session.ids)
    bound, free = maker.tokens.seal(state, TARGET, "ada"), maker.tokens.seal(state, TARGET)
    assert maker.tokens.open(bound, "ada").state == state
    assert maker.tokens.open(free, "bob").state == state
    maker.now += 1000
    for client in ("bob", ""):
        with pytest.raises(ServiceError) as caught:
            maker.tokens.open(bound, client)
        assert caught.value.reason is Reason.RESUME_CLIENT_DIFFERS
    assert maker.refusal(free) is Reason.RESUME_TOKEN_EXPIRED
