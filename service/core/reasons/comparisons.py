"""Compare: conditions, siblings and how much may be compared."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class ComparisonReasons:
    """Compare: conditions, siblings and how much may be compared."""

    EMPTY_CONDITION = ErrorKind(
        "INVALID_ARGUMENT",
        "condition {condition} is empty",
        "set neighbours, padded_frames or chunk_frames",
    )
    COMPARISON_OUT_OF_RANGE = ErrorKind(
        "INVALID_ARGUMENT",
        "{field} is {value}, but must be {minimum} to {maximum}",
        "leave conditions and siblings empty for the defaults",
    )
    COMPARISON_TOO_LARGE = ErrorKind(
        "INVALID_ARGUMENT",
        "{scope} has {frame_count} frames to run, the limit is {max_frames}",
        "send a shorter sequence, use fewer conditions or neighbours, or name fewer siblings",
    )
    COMPARISON_UNSUPPORTED = ErrorKind(
        "FAILED_PRECONDITION",
        "model {model!r} can't be compared: {cause}",
        "compare models that take nothing but frames, in any number",
    )
    SIBLING_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "model {sibling!r} takes other frames than model {model!r}",
        "compare models of one task",
    )
    TOO_MANY_COMPARISONS = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "{comparisons} comparisons are in progress, the limit is {max_comparisons}",
        "try again later, or ask the operator to raise the limit",
    )
