"""Labels, the log that they are joined to, and the skew probe."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class MonitoringReasons:
    """Labels, the log that they are joined to, and the skew probe."""

    FEEDBACK_OFF = ErrorKind(
        "FAILED_PRECONDITION",
        "this server has no prediction log, so there is nothing to join labels to",
        "ask the operator to set prediction_log",
    )
    FEEDBACK_BUSY = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "{reports} calls are already waiting for the prediction log",
        "try again with backoff; sending labels twice changes nothing",
    )
    LOG_UNAVAILABLE = ErrorKind(
        "UNAVAILABLE",
        "the prediction log can't be read or written at the moment",
        "try again; sending labels twice changes nothing",
    )
    LABEL_MALFORMED = ErrorKind(
        "INVALID_ARGUMENT",
        "{field} of label {index} is {value}, but must be {expected}",
        "no label of this message was taken, and {taken} from earlier messages were; fix the label and send the rest",
    )
    LABEL_FORBIDDEN = ErrorKind(
        "PERMISSION_DENIED",
        "{client} may not label {prediction_id}, since another client got that answer",
        "no label of this message was taken; label answers of your own, or ask the operator for the role feedback",
    )
    TOO_MANY_LABELS = ErrorKind(
        "INVALID_ARGUMENT",
        "the message has {labels} labels, the limit is {max_labels}",
        "no label of this message was taken, and {taken} from earlier messages were; send fewer at a time",
    )
    TOO_MANY_PENDING_LABELS = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "{pending} labels are waiting for answers that aren't in the log yet",
        "no label of this message was taken; send them again in a minute",
    )
    PROBE_MISSING = ErrorKind(
        "FAILED_PRECONDITION",
        "version {version} of model {model!r} has no probe",
        "export it again: the current export writes probe.onnx next to the model",
    )
    SAMPLE_NOT_KEPT = ErrorKind(
        "FAILED_PRECONDITION",
        "the server keeps no sequences",
        "ask the operator to set skew_keep_sequences, and skew_probe_ratio above 0",
    )
