"""The state of a session as bytes, in the form in which it leaves the process, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from service.core.tensors import decode, encode
from service.serving.answered import Answered
from service.serving.prediction_ids import SequenceIds
from soloist.v1.session_state_pb2 import AnsweredChunk, SessionState
from soloist.v1.tensor_pb2 import NamedTensor

if TYPE_CHECKING:
    from service.engine.row import States
    from service.loading.servable import Servable
    from service.serving.session import Session

# Changes when a state of before means something else.
FORM = 1
# A longer answer to the last chunk isn't carried: it is what the caller already has, or can have computed again.
_MOST_RESULT_BYTES = 4096
# What is around the tensors, in bytes: names, digest, ids.
_ROUND_BYTES = 1024


class StateError(Exception):
    """The bytes are no state of this version."""


class Restored(NamedTuple):
    """A state as `Session.restore` takes it."""

    ids: SequenceIds
    states: States
    frame_count: int
    last: Answered | None


def most_bytes(servable: Servable) -> int:
    """Return how large the state of a sequence may become."""
    return servable.require_time_axis().state_bytes + _MOST_RESULT_BYTES + _ROUND_BYTES


def pack(session: Session, ids: SequenceIds) -> bytes:
    """Return the state of a session."""
    state = SessionState(
        sequence_key=ids.key,
        frame_count=session.frame_count,
        states=[NamedTensor(name=name, tensor=encode(array)) for name, array in session.states.items()],
        id_ms=ids.ms or 0,
    )
    if (last := session.last) is not None:
        is_short = len(last.result) <= _MOST_RESULT_BYTES
        state.last.first_frame, state.last.digest = last.first_frame, last.digest
        state.last.result_bytes = last.result_bytes
        state.last.result = last.result if is_short else b""
    return state.SerializeToString()


def unpack(raw: bytes, servable: Servable) -> Restored:
    """Return the state of a sequence that `servable` is to continue.

    Raises:
        StateError: it isn't a state of this version.

    """
    try:
        state = SessionState.FromString(raw)
        states = {each.name: decode(each.tensor) for each in state.states}
    except (DecodeError, ValueError, KeyError) as error:
        raise StateError from error
    zero = servable.runner.initial_states()
    if states.keys() != zero.keys() or any(states[name].dtype != zero[name].dtype for name in zero):
        raise StateError
    return Restored(
        ids=SequenceIds(state.sequence_key, state.id_ms or None),
        states={name: states[name] for name in zero},
        frame_count=state.frame_count,
        last=_answered(state.last) if state.HasField("last") else None,
    )


def _answered(last: AnsweredChunk) -> Answered:
    return Answered(
        first_frame=last.first_frame, digest=last.digest, result=last.result, result_bytes=last.result_bytes
    )
