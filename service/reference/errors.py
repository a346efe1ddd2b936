"""The page of every reason with which a call can fail: gRPC code, sentence, remedy and facts."""

from __future__ import annotations

import string

from service.core.errors import REASONS
from service.core.reasons.error_kind import ErrorKind

_HEAD = """\
# Errors

<!-- Written by `make reference`. Don't edit it. -->

Every error of the server has a canonical gRPC status code and a stable reason. Programs should look at the reason.
It travels as `google.rpc.ErrorInfo` with the domain `soloist`. In Python it is `error.reason`
([client](../client.md#errors)). In `ModelStreamInfer` it is the first word of `error_message`. Over REST it is a field
of the JSON, and the code becomes an HTTP status ([REST](../rest.md#errors)).

The message says what is wrong and then what to do about it. The words in italics are facts: the message contains their
values, and programs find them in the metadata of `ErrorInfo` (`error.facts`).

Some statuses have no reason, because they are made before the server sees the call: by the caller's own gRPC library,
by a proxy, or by the transport (compressed messages: `UNIMPLEMENTED`; headers beyond 16 KiB: `RESOURCE_EXHAUSTED`).
"""

_CODES = {
    "INVALID_ARGUMENT": "The request itself is wrong. Sending it again gives the same error.",
    "UNAUTHENTICATED": "The server has to know who calls, and doesn't.",
    "PERMISSION_DENIED": "The server knows who calls, and that this isn't allowed.",
    "NOT_FOUND": "There is no such model, version or service.",
    "FAILED_PRECONDITION": "The request is valid, but not now, not in this order, or not for this model.",
    "RESOURCE_EXHAUSTED": "A limit was reached, and the call was refused at once.",
    "UNAVAILABLE": "The server can't answer at the moment. Trying again is safe.",
    "UNIMPLEMENTED": "The server doesn't support this.",
    "DEADLINE_EXCEEDED": "The time that the caller allowed is over.",
    "CANCELLED": "The call ended before it was complete.",
    "ABORTED": "The server ended the call.",
    "INTERNAL": "The server failed. Its log has the traceback; callers don't get details.",
}


def page() -> str:
    """Return the page, in Markdown: one section per code, one row per reason."""
    return "\n".join([_HEAD, *(_section(code) for code in _CODES)])


def _section(code: str) -> str:
    rows = [_row(reason) for reason in REASONS.values() if reason.code == code]
    head = (f"## {code}", "", _CODES[code], "", "| reason | what is wrong | what to do |", "|---|---|---|")
    return "\n".join([*head, *rows, ""])


def _row(reason: ErrorKind) -> str:
    cells = (f"`{reason.name}`", _readable(reason.sentence), _readable(reason.hint))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _readable(template: str) -> str:
    """Return the template with each fact in italics, by its name."""
    parts = string.Formatter().parse(template)
    return "".join(_escaped(text) + (f"*{fact}*" if fact else "") for text, fact, _, _ in parts)


def _escaped(text: str) -> str:
    return text.replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_")
