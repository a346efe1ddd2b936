"""Ends of a unary call that have nothing to do with what it asks for."""

from __future__ import annotations

from bench.state_machine.calls import Outcome, VirtualCall

# The server's timer and the transport's may differ by so much.
_SLACK_SECONDS = 0.021


def may_end_anyway(call: VirtualCall, outcome: Outcome, *, is_draining: bool) -> bool:
    """Return whether a call may end so whatever it asks for: its caller left, it is late, or the server drains."""
    if outcome[1] == "MESSAGE_MISSING":  # to a handler, a caller who leaves has sent all
        return call.is_gone
    if outcome[1] == "OVERLOADED":  # how long an answer would take is measured, and not judged here
        return call.ends_at is not None
    if outcome[0] in ("CANCELLED", "DEADLINE_EXCEEDED"):
        is_late = call.ends_at is not None and call.ended_at >= call.ends_at - _SLACK_SECONDS
        return call.is_gone or is_late
    return outcome == ("UNAVAILABLE", "SERVER_DRAINING") and is_draining
