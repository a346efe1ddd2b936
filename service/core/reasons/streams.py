"""Streams: order, ends, and the tokens with which they go on."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class StreamReasons:
    """Streams: order, ends, and the tokens with which they go on."""

    CHUNK_GAP = ErrorKind(
        "FAILED_PRECONDITION",
        "the chunk begins at frame {first_frame}, but frame {expected_first_frame} comes next",
        "send the missing frames first",
    )
    CHUNK_OVERLAP = ErrorKind(
        "FAILED_PRECONDITION",
        "the chunk begins at frame {first_frame}, but frame {expected_first_frame} comes next",
        "only the last chunk can be sent again, unchanged",
    )
    CHUNK_CONFLICT = ErrorKind(
        "FAILED_PRECONDITION",
        "the chunk at frame {first_frame} was already sent with other contents",
        "send the same contents, or continue at frame {expected_first_frame}",
    )
    STREAM_NOT_OPEN = ErrorKind("FAILED_PRECONDITION", "the stream isn't open", "send open first")
    STREAM_ALREADY_OPEN = ErrorKind("FAILED_PRECONDITION", "the stream is already open", "use one stream per sequence")
    STREAM_CLOSED = ErrorKind("FAILED_PRECONDITION", "the stream is closed", "begin another stream")
    STREAM_CUT = ErrorKind("CANCELLED", "the stream ended without close", "send close last")
    STREAM_TOO_OLD = ErrorKind(
        "ABORTED",
        "the stream has lasted {seconds} s, and this server ends it then",
        "continue it with the resume token of the last message",
    )
    SESSION_IDLE = ErrorKind(
        "ABORTED",
        "the call was ended: for {idle_seconds} s its caller sent no message, or left an answer unread",
        "begin another stream, or continue this one with its resume token; send messages in time, and read the answers",
    )
    SESSION_EVICTED = ErrorKind(
        "UNAVAILABLE",
        "the stream was ended to make room for others: its caller had sent nothing for {idle_seconds} s",
        "begin another stream, and send chunks more often; an operator can raise max_sessions or max_state_bytes",
    )
    ANSWER_NOT_CARRIED = ErrorKind(
        "FAILED_PRECONDITION",
        "the chunk at frame {first_frame} was answered; its {answer_bytes} bytes of answer aren't in the resume token",
        "continue at frame {expected_first_frame}, or with the token before that chunk",
    )
    RESUME_UNSUPPORTED = ErrorKind(
        "FAILED_PRECONDITION",
        "this server has no keys, so it neither makes nor takes resume tokens",
        "ask the operator to set keys_file, or open the stream without tokens",
    )
    RESUME_STATE_TOO_LARGE = ErrorKind(
        "FAILED_PRECONDITION",
        "a resume token of model {model!r} may have {token_bytes} bytes, the limit is {max_bytes}",
        "open the stream without tokens, or ask the operator to raise max_resume_token_bytes",
    )
    RESUME_TOKEN_INVALID = ErrorKind(
        "INVALID_ARGUMENT",
        "the resume token isn't one that a server has made",
        "send it as it was received, byte by byte",
    )
    RESUME_TOKEN_EXPIRED = ErrorKind(
        "FAILED_PRECONDITION",
        "the resume token expired {expired_seconds} s ago",
        "begin the sequence again",
    )
    RESUME_TOKEN_FOREIGN = ErrorKind(
        "FAILED_PRECONDITION",
        "the resume token is of another {what}",
        "open the stream with the model of the token, on a server that has the same file of it",
    )
    RESUME_KEY_UNKNOWN = ErrorKind(
        "FAILED_PRECONDITION",
        "the resume token is sealed with a key that this server hasn't got",
        "ask the operator to give all servers the same keys_file",
    )
    RESUME_CLIENT_DIFFERS = ErrorKind(
        "PERMISSION_DENIED",
        "the resume token was made for another client",
        "continue as the client that began the sequence, or begin it again",
    )
    RESUME_MACHINE_DIFFERS = ErrorKind(
        "UNAVAILABLE",
        "the resume token is of a machine with another processor or runtime, where answers may have other bits",
        "try again; a server on a machine like that one may answer",
    )
