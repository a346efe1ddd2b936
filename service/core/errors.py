"""Every way a call can fail: canonical code, stable reason, a sentence for people, and a hint on what to do."""

from __future__ import annotations

from enum import Enum

# Facts repeat what callers sent. An error travels in headers, and gRPC bounds their size.
_MAX_FACT_CHARACTERS = 256


class Reason(Enum):
    """Stable reasons. `code` is a canonical gRPC code; `sentence` and `hint` are templates over the facts."""

    MODEL_NOT_FOUND = ("NOT_FOUND", "there is no model {model!r}", "ListModels and RepositoryIndex list all models")
    MODEL_VERSION_NOT_FOUND = (
        "NOT_FOUND",
        "model {model!r} has no version {version}",
        "ListModels and RepositoryIndex list all versions; leave the version out, or send 0, for the default one",
    )
    MODEL_UNAVAILABLE = (
        "FAILED_PRECONDITION",
        "model {model!r} could not be loaded: {cause}",
        "ask the operator to export it again",
    )
    MODEL_LOADING = ("UNAVAILABLE", "model {model!r} is still loading", "try again in a moment")
    MODEL_NOT_LOADED = (
        "FAILED_PRECONDITION",
        "version {version} of model {model!r} takes no new sequences: {cause}",
        "leave the version out, or ask the operator to load it",
    )
    MODEL_NOT_CAUSAL = (
        "FAILED_PRECONDITION",
        "model {model!r} reads later frames, so it can't stream",
        "send the whole sequence in one request",
    )
    TIME_AXIS_UNKNOWN = (
        "FAILED_PRECONDITION",
        "the time axis of model {model!r} isn't declared, so only the Open Inference Protocol can call it",
        "call ModelInfer, or ask the operator to declare the axes in config.pbtxt with the parameter "
        '"layout.<input>", for example "batch time feature"',
    )
    FEATURE_COUNT_MISMATCH = (
        "INVALID_ARGUMENT",
        "a frame has {feature_count} features, the model takes {expected}",
        "GetModel shows the shape of a frame",
    )
    DATA_TYPE_MISMATCH = (
        "INVALID_ARGUMENT",
        "the frames are {data_type}, the model takes {expected}",
        "convert them before sending; GetModel shows the type",
    )
    SHAPE_MISMATCH = (
        "INVALID_ARGUMENT",
        "the frames have shape {shape}, the model takes {expected}",
        "GetModel shows the shape of the frames; time comes first and there is no batch axis",
    )
    FRAME_COUNT_MISMATCH = (
        "INVALID_ARGUMENT",
        "there are {frame_count} frames, and the model takes exactly {frames_per_run} per run",
        "send a multiple of that number",
    )
    GRAPH_REFUSED = (
        "INVALID_ARGUMENT",
        "the graph can't run inputs of shape {shape}: {cause}",
        "GetModel and ModelConfig show what the model takes; it may need more frames or other values",
    )
    BYTE_LENGTH_MISMATCH = (
        "INVALID_ARGUMENT",
        "the tensor has {byte_length} bytes, but its shape and type need {expected}",
        "send product(shape) elements, row-major, little-endian",
    )
    EMPTY_SEQUENCE = ("INVALID_ARGUMENT", "there are no frames", "send at least one")
    NON_FINITE_INPUT = (
        "INVALID_ARGUMENT",
        "frame {frame} contains NaN or infinity",
        "clean the input, or ask the operator to allow such values",
    )
    TOKEN_OUT_OF_RANGE = (
        "INVALID_ARGUMENT",
        "frame {frame} contains token {token}, but valid tokens are 0 to {max_token}",
        "check how the text was encoded",
    )
    SEQUENCE_TOO_LONG = (
        "INVALID_ARGUMENT",
        "the sequence has {frame_count} frames, the limit is {max_frames}",
        "send it as a stream of chunks, or shorten it",
    )
    CHUNK_TOO_LONG = (
        "INVALID_ARGUMENT",
        "the chunk has {frame_count} frames, the limit is {max_frames}",
        "cut it into smaller chunks",
    )
    CHUNK_GAP = (
        "FAILED_PRECONDITION",
        "the chunk begins at frame {first_frame}, but frame {expected_first_frame} comes next",
        "send the missing frames first",
    )
    CHUNK_OVERLAP = (
        "FAILED_PRECONDITION",
        "the chunk begins at frame {first_frame}, but frame {expected_first_frame} comes next",
        "only the last chunk can be sent again, unchanged",
    )
    CHUNK_CONFLICT = (
        "FAILED_PRECONDITION",
        "the chunk at frame {first_frame} was already sent with other contents",
        "send the same contents, or continue at frame {expected_first_frame}",
    )
    ANSWER_NOT_CARRIED = (
        "FAILED_PRECONDITION",
        "the chunk at frame {first_frame} was answered; its {answer_bytes} bytes of answer aren't in the resume token",
        "continue at frame {expected_first_frame}, or with the token before that chunk",
    )
    RESUME_UNSUPPORTED = (
        "FAILED_PRECONDITION",
        "this server has no keys, so it neither makes nor takes resume tokens",
        "ask the operator to set keys_file, or open the stream without tokens",
    )
    RESUME_STATE_TOO_LARGE = (
        "FAILED_PRECONDITION",
        "a resume token of model {model!r} may have {token_bytes} bytes, the limit is {max_bytes}",
        "open the stream without tokens, or ask the operator to raise max_resume_token_bytes",
    )
    RESUME_TOKEN_INVALID = (
        "INVALID_ARGUMENT",
        "the resume token isn't one that a server has made",
        "send it as it was received, byte by byte",
    )
    RESUME_TOKEN_EXPIRED = (
        "FAILED_PRECONDITION",
        "the resume token expired {expired_seconds} s ago",
        "begin the sequence again",
    )
    RESUME_TOKEN_FOREIGN = (
        "FAILED_PRECONDITION",
        "the resume token is of another {what}",
        "open the stream with the model of the token, on a server that has the same file of it",
    )
    RESUME_KEY_UNKNOWN = (
        "FAILED_PRECONDITION",
        "the resume token is sealed with a key that this server hasn't got",
        "ask the operator to give all servers the same keys_file",
    )
    RESUME_CLIENT_DIFFERS = (
        "PERMISSION_DENIED",
        "the resume token was made for another client",
        "continue as the client that began the sequence, or begin it again",
    )
    RESUME_MACHINE_DIFFERS = (
        "UNAVAILABLE",
        "the resume token is of a machine with another processor or runtime, where answers may have other bits",
        "try again; a server on a machine like that one may answer",
    )
    STREAM_TOO_OLD = (
        "ABORTED",
        "the stream has lasted {seconds} s, and this server ends it then",
        "continue it with the resume token of the last message",
    )
    STREAM_NOT_OPEN = ("FAILED_PRECONDITION", "the stream isn't open", "send open first")
    STREAM_ALREADY_OPEN = ("FAILED_PRECONDITION", "the stream is already open", "use one stream per sequence")
    STREAM_CLOSED = ("FAILED_PRECONDITION", "the stream is closed", "begin another stream")
    EMPTY_MESSAGE = ("INVALID_ARGUMENT", "the message is empty", "set open, chunk or close")
    MALFORMED_MESSAGE = (
        "INVALID_ARGUMENT",
        "the bytes can't be parsed as {expected}",
        "use stubs generated from soloist/v1/*.proto",
    )
    STREAM_CUT = ("CANCELLED", "the stream ended without close", "send close last")
    DEADLINE_EXCEEDED = ("DEADLINE_EXCEEDED", "the caller's deadline has passed", "allow more time, or send less")
    TOO_MANY_SESSIONS = (
        "RESOURCE_EXHAUSTED",
        "{sessions} streams are open, the limit is {max_sessions}",
        "try again later, or ask the operator to raise the limit",
    )
    CLIENT_LIMIT = (
        "RESOURCE_EXHAUSTED",
        "{client} has {held} {what}, and one client may have {most}",
        "wait until some have ended, or ask the operator to raise the limit",
    )
    SESSION_STATE_FULL = (
        "RESOURCE_EXHAUSTED",
        "the states of open streams take {state_bytes} bytes, the limit is {max_state_bytes}",
        "try again later, or ask the operator to raise the limit",
    )
    QUEUE_FULL = ("RESOURCE_EXHAUSTED", "{queued} requests are already waiting", "try again with backoff")
    OVERLOADED = (
        "RESOURCE_EXHAUSTED",
        "an answer would take about {expected_seconds} s, and the deadline is in {remaining_seconds} s",
        "try again with backoff, or allow more time",
    )
    RUN_TOO_LONG = (
        "RESOURCE_EXHAUSTED",
        "a run of the model was stopped after {max_run_seconds} s",
        "send fewer frames at a time, or ask the operator to raise max_run_seconds",
    )
    MESSAGE_TOO_LARGE = (
        "RESOURCE_EXHAUSTED",
        "the message has {message_bytes} bytes, the limit is {max_message_bytes}",
        "send the sequence as a stream of chunks",
    )
    TOO_MANY_CALLS = (
        "RESOURCE_EXHAUSTED",
        "{calls} calls are in progress, the limit is {max_calls}",
        "try again with backoff, or ask the operator to raise the limit",
    )
    METADATA_TOO_LARGE = (
        "RESOURCE_EXHAUSTED",
        "the metadata has {metadata_bytes} bytes, the limit is {max_metadata_bytes}",
        "send less metadata",
    )
    METADATA_INVALID = (
        "INVALID_ARGUMENT",
        "the header {field} can't be read",
        "send binary metadata in base64, and timeouts as gRPC writes them",
    )
    COMPRESSION_UNSUPPORTED = (
        "UNIMPLEMENTED",
        "messages compressed with {encoding!r} can't be read",
        "use gzip or deflate, or no compression",
    )
    MEMORY_FULL = (
        "RESOURCE_EXHAUSTED",
        "the messages in progress of {scope} would take {bytes} bytes, the limit is {max_bytes}",
        "try again with backoff, send fewer or smaller messages at once, or ask the operator to raise the limit",
    )
    NAME_TOO_LONG = (
        "INVALID_ARGUMENT",
        "{field} has {bytes} bytes, the limit is {max_bytes}",
        "use shorter names, ids and values",
    )
    TOO_MANY_FIELDS = (
        "INVALID_ARGUMENT",
        "the message has more than {limit} {unit}",
        "send less in one message, and send tensors as raw bytes",
    )
    MESSAGE_MISSING = ("INVALID_ARGUMENT", "the call ended without its message", "send one message")
    SERVICE_UNKNOWN = ("NOT_FOUND", "there is no service or model {service!r}", "reflection lists the services")
    EMPTY_CONDITION = (
        "INVALID_ARGUMENT",
        "condition {condition} is empty",
        "set neighbours, padded_frames or chunk_frames",
    )
    COMPARISON_OUT_OF_RANGE = (
        "INVALID_ARGUMENT",
        "{field} is {value}, but must be {minimum} to {maximum}",
        "leave conditions and siblings empty for the defaults",
    )
    COMPARISON_TOO_LARGE = (
        "INVALID_ARGUMENT",
        "{scope} has {frame_count} frames to run, the limit is {max_frames}",
        "send a shorter sequence, use fewer conditions or neighbours, or name fewer siblings",
    )
    COMPARISON_UNSUPPORTED = (
        "FAILED_PRECONDITION",
        "model {model!r} can't be compared: {cause}",
        "compare models that take nothing but frames, in any number",
    )
    SIBLING_MISMATCH = (
        "INVALID_ARGUMENT",
        "model {sibling!r} takes other frames than model {model!r}",
        "compare models of one task",
    )
    TOO_MANY_COMPARISONS = (
        "RESOURCE_EXHAUSTED",
        "{comparisons} comparisons are in progress, the limit is {max_comparisons}",
        "try again later, or ask the operator to raise the limit",
    )
    SESSION_IDLE = (
        "ABORTED",
        "the call was ended: for {idle_seconds} s its caller sent no message, or left an answer unread",
        "begin another stream, send messages in time, and read the answers",
    )
    SESSION_EVICTED = (
        "UNAVAILABLE",
        "the stream was ended to make room for others: its caller had sent nothing for {idle_seconds} s",
        "begin another stream, and send chunks more often; an operator can raise max_sessions or max_state_bytes",
    )
    SERVER_DRAINING = ("UNAVAILABLE", "the server is shutting down", "try again; another replica may answer")
    INPUT_MISSING = (
        "INVALID_ARGUMENT",
        "input {input!r} is missing",
        "GetModel lists the inputs of the model; ModelMetadata lists them for the Open Inference Protocol",
    )
    INPUT_UNKNOWN = (
        "INVALID_ARGUMENT",
        "the model has no input {input!r}, or it was sent twice",
        "GetModel lists the inputs of the model; ModelMetadata lists them for the Open Inference Protocol",
    )
    INPUT_TYPE_MISMATCH = (
        "INVALID_ARGUMENT",
        "input {input!r} is {data_type!r}, the model takes {expected}",
        "convert it before sending; GetModel and ModelMetadata show the types",
    )
    INPUT_SHAPE_MISMATCH = (
        "INVALID_ARGUMENT",
        "input {input!r} has shape {shape}, the model takes {expected}",
        "send it without a batch axis, as GetModel shows; in the Open Inference Protocol, as ModelMetadata shows",
    )
    INPUT_SIZE_MISMATCH = (
        "INVALID_ARGUMENT",
        "input {input!r} has {size} {unit}, but its shape and type need {expected}",
        "send product(shape) elements, row-major; raw ones little-endian",
    )
    INPUT_NON_FINITE = (
        "INVALID_ARGUMENT",
        "input {input!r} contains NaN or infinity",
        "clean it, or ask the operator to allow such values",
    )
    INPUT_CONSTANT = ("INVALID_ARGUMENT", "input {input!r} is always {value}", "leave it out, or send exactly that")
    INPUT_VALUE_OUT_OF_RANGE = (
        "INVALID_ARGUMENT",
        "input {input!r} contains {value}, but must be {minimum} to {maximum}",
        "check how it was made",
    )
    CONTENTS_MISMATCH = (
        "INVALID_ARGUMENT",
        "there are {raw} raw contents for {inputs} inputs, of which {typed} are typed",
        "send every input raw, one entry each and in order, or every input typed",
    )
    CONTENTS_RAW_ONLY = (
        "INVALID_ARGUMENT",
        "elements of type {data_type} have no typed form",
        "send and request raw contents",
    )
    JSON_INVALID = (
        "INVALID_ARGUMENT",
        "{field} must be {expected}",
        "send JSON as the Open Inference Protocol has it; NaN and infinity are no JSON, send them as binary data",
    )
    BODY_SIZE_MISMATCH = (
        "INVALID_ARGUMENT",
        "{part} has {bytes} bytes, but the request says {expected_bytes}",
        "send the JSON first, its length in Inference-Header-Content-Length, then the binary data, input by input",
    )
    TOO_MANY_ENTRIES = (
        "INVALID_ARGUMENT",
        "{field} has {count} entries, the limit is {max_count}",
        "send less in one request",
    )
    BATCH_TOO_LARGE = (
        "INVALID_ARGUMENT",
        "the request has {rows} rows, the limit is {max_rows}",
        "send fewer rows per request; the server batches requests itself",
    )
    OUTPUT_UNKNOWN = ("INVALID_ARGUMENT", "the model has no output {output!r}", "ModelMetadata lists the outputs")
    PARAMETER_INVALID = (
        "INVALID_ARGUMENT",
        "parameter {parameter!r} is {value}, but must be {expected}",
        "leave it out if you don't need it",
    )
    PARAMETER_UNSUPPORTED = (
        "UNIMPLEMENTED",
        "parameter {parameter!r} is not supported",
        "leave it out; ServerMetadata lists the supported extensions",
    )
    SEQUENCE_ID_MISSING = (
        "INVALID_ARGUMENT",
        "the request begins or ends a sequence without naming one",
        "set sequence_id to a number other than 0, or to a text",
    )
    SEQUENCE_ROWS = (
        "INVALID_ARGUMENT",
        "a request of a sequence has one row, this one has {rows}",
        "use one sequence_id per row",
    )
    SEQUENCE_STATES = (
        "INVALID_ARGUMENT",
        "sequence {sequence} already has states, and the request brings others",
        "send states with sequence_start, or without a sequence",
    )
    SEQUENCE_NOT_FOUND = (
        "FAILED_PRECONDITION",
        "model {model!r} has no sequence {sequence}",
        "set sequence_start in its first request, and send the others in time, and over the same connection if the "
        "server has no sequence store",
    )
    SEQUENCE_EVICTED = (
        "FAILED_PRECONDITION",
        "sequence {sequence} of model {model!r} was ended after {idle_seconds} s without a request",
        "begin it again, and send requests more often",
    )
    SEQUENCE_STORE_UNAVAILABLE = (
        "UNAVAILABLE",
        "the sequence store didn't answer in time",
        "send the same request again, with the same id: it is answered once",
    )
    SEQUENCE_CONFLICT = (
        "ABORTED",
        "another request of sequence {sequence} of model {model!r} was answered meanwhile, by another server",
        "send the requests of a sequence one after the other; this one changed nothing",
    )
    SEQUENCE_REQUEST_CONFLICT = (
        "INVALID_ARGUMENT",
        "the last request of the sequence had the same id, or the same first frame, and other contents",
        "give each request of a sequence an id of its own, or none, and send a request again as it was",
    )
    SEQUENCE_STATE_TOO_LARGE = (
        "FAILED_PRECONDITION",
        "a sequence of model {model!r} takes {record_bytes} bytes in the store, the limit is {max_bytes}",
        "send fewer frames at a time, or ask the operator to raise max_stored_sequence_bytes",
    )
    SEQUENCE_STATE_INVALID = (
        "FAILED_PRECONDITION",
        "what the store has of the sequence isn't what a server has written",
        "begin the sequence again, and tell the operator: somebody changes the store",
    )
    SEQUENCE_STATE_FOREIGN = (
        "FAILED_PRECONDITION",
        "the sequence began with another {what}",
        "begin it again, or ask the operator to give all servers the same one",
    )
    SEQUENCE_KEY_UNKNOWN = (
        "FAILED_PRECONDITION",
        "the sequence is sealed with a key that this server hasn't got",
        "ask the operator to give all servers of the store the same keys_file",
    )
    SEQUENCE_MACHINE_DIFFERS = (
        "UNAVAILABLE",
        "the sequence is of a machine with another processor or runtime, where answers may have other bits",
        "try again; a server on a machine like that one may answer",
    )
    LABELS_NOT_WRITTEN = (
        "FAILED_PRECONDITION",
        "the labels of model {model!r} can't be written: {cause}",
        "let the server write to the model's folder, or put the file there yourself",
    )
    PROBE_MISSING = (
        "FAILED_PRECONDITION",
        "version {version} of model {model!r} has no probe",
        "export it again: the current export writes probe.onnx next to the model",
    )
    SAMPLE_NOT_KEPT = (
        "FAILED_PRECONDITION",
        "the server keeps no sequences",
        "ask the operator to set skew_keep_sequences, and skew_probe_ratio above 0",
    )
    FEEDBACK_OFF = (
        "FAILED_PRECONDITION",
        "this server has no prediction log, so there is nothing to join labels to",
        "ask the operator to set prediction_log",
    )
    LABEL_MALFORMED = (
        "INVALID_ARGUMENT",
        "{field} of label {index} is {value}, but must be {expected}",
        "no label of this message was taken, and {taken} from earlier messages were; fix the label and send the rest",
    )
    TOO_MANY_LABELS = (
        "INVALID_ARGUMENT",
        "the message has {labels} labels, the limit is {max_labels}",
        "no label of this message was taken, and {taken} from earlier messages were; send fewer at a time",
    )
    TOO_MANY_PENDING_LABELS = (
        "RESOURCE_EXHAUSTED",
        "{pending} labels are waiting for answers that aren't in the log yet",
        "no label of this message was taken; send them again in a minute",
    )
    FEEDBACK_BUSY = (
        "RESOURCE_EXHAUSTED",
        "{reports} calls are already waiting for the prediction log",
        "try again with backoff; sending labels twice changes nothing",
    )
    LOG_UNAVAILABLE = (
        "UNAVAILABLE",
        "the prediction log can't be read or written at the moment",
        "try again; sending labels twice changes nothing",
    )
    TOKEN_MISSING = (
        "UNAUTHENTICATED",
        "the call doesn't say who makes it",
        "send the header 'authorization: Bearer <token>', or show a certificate; the operator has both",
    )
    TOKEN_INVALID = (
        "UNAUTHENTICATED",
        "the call has a token that this server doesn't know",
        "send 'authorization: Bearer <token>' once, with a token that the operator has given you",
    )
    TOKEN_EXPIRED = (
        "UNAUTHENTICATED",
        "the token of {client} has expired",
        "ask the operator for a new one",
    )
    ROLE_MISSING = (
        "PERMISSION_DENIED",
        "{client} may not call {method}",
        "ask the operator for the role {roles}",
    )
    METHOD_OFF = ("UNIMPLEMENTED", "{method} is off on this address", "{remedy}")
    LABEL_FORBIDDEN = (
        "PERMISSION_DENIED",
        "{client} may not label {prediction_id}, since another client got that answer",
        "no label of this message was taken; label answers of your own, or ask the operator for the role feedback",
    )
    METHOD_UNSUPPORTED = ("UNIMPLEMENTED", "{method} is not supported", "{instead}")
    INTERNAL = ("INTERNAL", "internal error", "")

    def __init__(self, code: str, sentence: str, hint: str) -> None:
        self.code = code
        self.sentence = sentence
        self.hint = hint


class _Facts(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "?"


class ServiceError(Exception):
    """A failure that callers see as it is. Any other exception reaches them as "internal error"."""

    def __init__(self, reason: Reason, **facts: object) -> None:
        self.reason = reason
        self.facts = {name: _clipped(value) for name, value in facts.items()}
        facts_or_unknown = _Facts(self.facts)
        sentence = reason.sentence.format_map(facts_or_unknown)
        self.hint = reason.hint.format_map(facts_or_unknown)
        super().__init__(f"{sentence}: {self.hint}" if self.hint else sentence)


def _clipped(value: object) -> object:
    text = str(value)
    return value if len(text) <= _MAX_FACT_CHARACTERS else f"{text[:_MAX_FACT_CHARACTERS]}…"
