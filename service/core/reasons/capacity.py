"""What the server can take now: calls, streams, memory and time."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class CapacityReasons:
    """What the server can take now: calls, streams, memory and time."""

    TOO_MANY_CALLS = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "{calls} calls are in progress, the limit is {max_calls}",
        "try again with backoff, or ask the operator to raise the limit",
    )
    TOO_MANY_SESSIONS = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "{sessions} streams are open, the limit is {max_sessions}",
        "try again later, or ask the operator to raise the limit",
    )
    CLIENT_LIMIT = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "{client} has {held} {what}, and one client may have {most}",
        "wait until some have ended, or ask the operator to raise the limit",
    )
    SESSION_STATE_FULL = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "the states of open streams take {state_bytes} bytes, the limit is {max_state_bytes}",
        "try again later, or ask the operator to raise the limit",
    )
    MEMORY_FULL = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "the messages in progress of {scope} would take {bytes} bytes, the limit is {max_bytes}",
        "try again with backoff, send fewer or smaller messages at once, or ask the operator to raise the limit",
    )
    QUEUE_FULL = ErrorKind("RESOURCE_EXHAUSTED", "{queued} requests are already waiting", "try again with backoff")
    OVERLOADED = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "an answer would take about {expected_seconds} s, and the deadline is in {remaining_seconds} s",
        "try again with backoff, or allow more time",
    )
    RUN_TOO_LONG = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "a run of the model was stopped after {max_run_seconds} s",
        "send fewer frames at a time, or ask the operator to raise max_run_seconds",
    )
    DEADLINE_EXCEEDED = ErrorKind(
        "DEADLINE_EXCEEDED", "the caller's deadline has passed", "allow more time, or send less"
    )
    SERVER_DRAINING = ErrorKind("UNAVAILABLE", "the server is shutting down", "try again; another replica may answer")
