"""Requests of the Open Inference Protocol, and the sequences that they belong to."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class OpenInferenceReasons:
    """Requests of the Open Inference Protocol, and the sequences that they belong to."""

    CONTENTS_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "there are {raw} raw contents for {inputs} inputs, of which {typed} are typed",
        "send every input raw, one entry each and in order, or every input typed",
    )
    CONTENTS_RAW_ONLY = ErrorKind(
        "INVALID_ARGUMENT",
        "elements of type {data_type} have no typed form",
        "send and request raw contents",
    )
    JSON_INVALID = ErrorKind(
        "INVALID_ARGUMENT",
        "{field} must be {expected}",
        "send JSON as the Open Inference Protocol has it; NaN and infinity are no JSON, send them as binary data",
    )
    BODY_SIZE_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "{part} has {bytes} bytes, but the request says {expected_bytes}",
        "send the JSON first, its length in Inference-Header-Content-Length, then the binary data, input by input",
    )
    TOO_MANY_ENTRIES = ErrorKind(
        "INVALID_ARGUMENT",
        "{field} has {count} entries, the limit is {max_count}",
        "send less in one request",
    )
    BATCH_TOO_LARGE = ErrorKind(
        "INVALID_ARGUMENT",
        "the request has {rows} rows, the limit is {max_rows}",
        "send fewer rows per request; the server batches requests itself",
    )
    OUTPUT_UNKNOWN = ErrorKind(
        "INVALID_ARGUMENT", "the model has no output {output!r}", "ModelMetadata lists the outputs"
    )
    PARAMETER_INVALID = ErrorKind(
        "INVALID_ARGUMENT",
        "parameter {parameter!r} is {value}, but must be {expected}",
        "leave it out if you don't need it",
    )
    PARAMETER_UNSUPPORTED = ErrorKind(
        "UNIMPLEMENTED",
        "parameter {parameter!r} is not supported",
        "leave it out; ServerMetadata lists the supported extensions",
    )
    SEQUENCE_ID_MISSING = ErrorKind(
        "INVALID_ARGUMENT",
        "the request begins or ends a sequence without naming one",
        "set sequence_id to a number other than 0, or to a text",
    )
    SEQUENCE_ROWS = ErrorKind(
        "INVALID_ARGUMENT",
        "a request of a sequence has one row, this one has {rows}",
        "use one sequence_id per row",
    )
    SEQUENCE_STATES = ErrorKind(
        "INVALID_ARGUMENT",
        "sequence {sequence} already has states, and the request brings others",
        "send states with sequence_start, or without a sequence",
    )
    SEQUENCE_NOT_FOUND = ErrorKind(
        "FAILED_PRECONDITION",
        "model {model!r} has no sequence {sequence}",
        "set sequence_start in its first request, and send the others in time, and over the same connection if the "
        "server has no sequence store",
    )
    SEQUENCE_EVICTED = ErrorKind(
        "FAILED_PRECONDITION",
        "sequence {sequence} of model {model!r} was ended after {idle_seconds} s without a request",
        "begin it again, and send requests more often",
    )
    SEQUENCE_STORE_UNAVAILABLE = ErrorKind(
        "UNAVAILABLE",
        "the sequence store didn't answer in time",
        "send the same request again, with the same id: it is answered once",
    )
    SEQUENCE_CONFLICT = ErrorKind(
        "ABORTED",
        "another request of sequence {sequence} of model {model!r} was answered meanwhile, by another server",
        "send the requests of a sequence one after the other; this one changed nothing",
    )
    SEQUENCE_REQUEST_CONFLICT = ErrorKind(
        "INVALID_ARGUMENT",
        "the last request of the sequence had the same id, or the same first frame, and other contents",
        "give each request of a sequence an id of its own, or none, and send a request again as it was",
    )
    SEQUENCE_STATE_TOO_LARGE = ErrorKind(
        "FAILED_PRECONDITION",
        "a sequence of model {model!r} takes {record_bytes} bytes in the store, the limit is {max_bytes}",
        "send fewer frames at a time, or ask the operator to raise max_stored_sequence_bytes",
    )
    SEQUENCE_STATE_INVALID = ErrorKind(
        "FAILED_PRECONDITION",
        "what the store has of the sequence isn't what a server has written",
        "begin the sequence again, and tell the operator: somebody changes the store",
    )
    SEQUENCE_STATE_FOREIGN = ErrorKind(
        "FAILED_PRECONDITION",
        "the sequence began with another {what}",
        "begin it again, or ask the operator to give all servers the same one",
    )
    SEQUENCE_KEY_UNKNOWN = ErrorKind(
        "FAILED_PRECONDITION",
        "the sequence is sealed with a key that this server hasn't got",
        "ask the operator to give all servers of the store the same keys_file",
    )
    SEQUENCE_MACHINE_DIFFERS = ErrorKind(
        "UNAVAILABLE",
        "the sequence is of a machine with another processor or runtime, where answers may have other bits",
        "try again; a server on a machine like that one may answer",
    )
