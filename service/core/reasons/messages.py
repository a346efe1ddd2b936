"""One message or call as it travels, whatever it is about."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class MessageReasons:
    """One message or call as it travels, whatever it is about."""

    EMPTY_MESSAGE = ErrorKind("INVALID_ARGUMENT", "the message is empty", "set open, chunk or close")
    MALFORMED_MESSAGE = ErrorKind(
        "INVALID_ARGUMENT",
        "the bytes can't be parsed as {expected}",
        "use stubs generated from soloist/v1/*.proto",
    )
    MESSAGE_MISSING = ErrorKind("INVALID_ARGUMENT", "the call ended without its message", "send one message")
    MESSAGE_TOO_LARGE = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "the message has {message_bytes} bytes, the limit is {max_message_bytes}",
        "send the sequence as a stream of chunks",
    )
    METADATA_TOO_LARGE = ErrorKind(
        "RESOURCE_EXHAUSTED",
        "the metadata has {metadata_bytes} bytes, the limit is {max_metadata_bytes}",
        "send less metadata",
    )
    METADATA_INVALID = ErrorKind(
        "INVALID_ARGUMENT",
        "the header {field} can't be read",
        "send binary metadata in base64, and timeouts as gRPC writes them",
    )
    COMPRESSION_UNSUPPORTED = ErrorKind(
        "UNIMPLEMENTED",
        "messages compressed with {encoding!r} can't be read",
        "use gzip or deflate, or no compression",
    )
    NAME_TOO_LONG = ErrorKind(
        "INVALID_ARGUMENT",
        "{field} has {bytes} bytes, the limit is {max_bytes}",
        "use shorter names, ids and values",
    )
    TOO_MANY_FIELDS = ErrorKind(
        "INVALID_ARGUMENT",
        "the message has more than {limit} {unit}",
        "send less in one message, and send tensors as raw bytes",
    )
    SERVICE_UNKNOWN = ErrorKind(
        "NOT_FOUND", "there is no service or model {service!r}", "reflection lists the services"
    )
    METHOD_UNSUPPORTED = ErrorKind("UNIMPLEMENTED", "{method} is not supported", "{instead}")
    INTERNAL = ErrorKind("INTERNAL", "internal error", "")
