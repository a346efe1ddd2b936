"""Who calls, and what each caller may do."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class AccessReasons:
    """Who calls, and what each caller may do."""

    TOKEN_MISSING = ErrorKind(
        "UNAUTHENTICATED",
        "the call doesn't say who makes it",
        "send the header 'authorization: Bearer <token>', or show a certificate; the operator has both",
    )
    TOKEN_INVALID = ErrorKind(
        "UNAUTHENTICATED",
        "the call has a token that this server doesn't know",
        "send 'authorization: Bearer <token>' once, with a token that the operator has given you",
    )
    TOKEN_EXPIRED = ErrorKind(
        "UNAUTHENTICATED",
        "the token of {client} has expired",
        "ask the operator for a new one",
    )
    ROLE_MISSING = ErrorKind(
        "PERMISSION_DENIED",
        "{client} may not call {method}",
        "ask the operator for the role {roles}",
    )
    METHOD_OFF = ErrorKind("UNIMPLEMENTED", "{method} is off on this address", "{remedy}")
