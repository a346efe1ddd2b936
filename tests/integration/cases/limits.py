"""Owns the calls that run into a bound of the server."""

from __future__ import annotations

from contextlib import ExitStack

from service.core.errors import Reason
from soloist import Client
from tests.integration.asking import Asker, chunk, opening, tensor
from tests.integration.cases.case import Case
from tests.integration.strict import MAX_MESSAGE_BYTES, MAX_SESSIONS, MAX_STATE_BYTES

_EXHAUSTED = "RESOURCE_EXHAUSTED"


def _one_stream_too_many(asker: Asker) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(Client(asker.target))
        for _ in range(MAX_SESSIONS - 1):  # one more is open already: the neighbour's
            stack.enter_context(client.stream("sums"))
        asker.converse(opening())


_LARGE = tensor([[1, 2]], data=bytes(MAX_MESSAGE_BYTES))
CASES = [
    Case(
        name="too-many-streams",
        reason=Reason.TOO_MANY_SESSIONS,
        code=_EXHAUSTED,
        facts={"sessions": str(MAX_SESSIONS), "max_sessions": str(MAX_SESSIONS)},
        ask=_one_stream_too_many,
    ),
    Case(
        name="states-that-take-too-much",
        reason=Reason.SESSION_STATE_FULL,
        code=_EXHAUSTED,
        facts={"max_state_bytes": str(MAX_STATE_BYTES)},
        ask=lambda asker: asker.converse(opening("hoarder")),
    ),
    Case(
        name="predict-message-too-large",
        reason=Reason.MESSAGE_TOO_LARGE,
        code=_EXHAUSTED,
        facts={"max_message_bytes": str(MAX_MESSAGE_BYTES)},
        ask=lambda asker: asker.predict(_LARGE),
    ),
    Case(
        name="stream-message-too-large",
        reason=Reason.MESSAGE_TOO_LARGE,
        code=_EXHAUSTED,
        facts={"max_message_bytes": str(MAX_MESSAGE_BYTES)},
        ask=lambda asker: asker.converse(opening(), chunk(0, _LARGE)),
    ),
]
