"""What a model is given: frames and other inputs."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class InputReasons:
    """What a model is given: frames and other inputs."""

    FEATURE_COUNT_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "a frame has {feature_count} features, the model takes {expected}",
        "GetModel shows the shape of a frame",
    )
    DATA_TYPE_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "the frames are {data_type}, the model takes {expected}",
        "convert them before sending; GetModel shows the type",
    )
    SHAPE_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "the frames have shape {shape}, the model takes {expected}",
        "GetModel shows the shape of the frames; time comes first and there is no batch axis",
    )
    FRAME_COUNT_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "there are {frame_count} frames, and the model takes exactly {frames_per_run} per run",
        "send a multiple of that number",
    )
    GRAPH_REFUSED = ErrorKind(
        "INVALID_ARGUMENT",
        "the graph can't run inputs of shape {shape}: {cause}",
        "GetModel and ModelConfig show what the model takes; it may need more frames or other values",
    )
    BYTE_LENGTH_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "the tensor has {byte_length} bytes, but its shape and type need {expected}",
        "send product(shape) elements, row-major, little-endian",
    )
    EMPTY_SEQUENCE = ErrorKind("INVALID_ARGUMENT", "there are no frames", "send at least one")
    NON_FINITE_INPUT = ErrorKind(
        "INVALID_ARGUMENT",
        "frame {frame} contains NaN or infinity",
        "clean the input, or ask the operator to allow such values",
    )
    TOKEN_OUT_OF_RANGE = ErrorKind(
        "INVALID_ARGUMENT",
        "frame {frame} contains token {token}, but valid tokens are 0 to {max_token}",
        "check how the text was encoded",
    )
    SEQUENCE_TOO_LONG = ErrorKind(
        "INVALID_ARGUMENT",
        "the sequence has {frame_count} frames, the limit is {max_frames}",
        "send it as a stream of chunks, or shorten it",
    )
    CHUNK_TOO_LONG = ErrorKind(
        "INVALID_ARGUMENT",
        "the chunk has {frame_count} frames, the limit is {max_frames}",
        "cut it into smaller chunks",
    )
    INPUT_MISSING = ErrorKind(
        "INVALID_ARGUMENT",
        "input {input!r} is missing",
        "GetModel lists the inputs of the model; ModelMetadata lists them for the Open Inference Protocol",
    )
    INPUT_UNKNOWN = ErrorKind(
        "INVALID_ARGUMENT",
        "the model has no input {input!r}, or it was sent twice",
        "GetModel lists the inputs of the model; ModelMetadata lists them for the Open Inference Protocol",
    )
    INPUT_TYPE_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "input {input!r} is {data_type!r}, the model takes {expected}",
        "convert it before sending; GetModel and ModelMetadata show the types",
    )
    INPUT_SHAPE_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "input {input!r} has shape {shape}, the model takes {expected}",
        "send it without a batch axis, as GetModel shows; in the Open Inference Protocol, as ModelMetadata shows",
    )
    INPUT_SIZE_MISMATCH = ErrorKind(
        "INVALID_ARGUMENT",
        "input {input!r} has {size} {unit}, but its shape and type need {expected}",
        "send product(shape) elements, row-major; raw ones little-endian",
    )
    INPUT_NON_FINITE = ErrorKind(
        "INVALID_ARGUMENT",
        "input {input!r} contains NaN or infinity",
        "clean it, or ask the operator to allow such values",
    )
    INPUT_CONSTANT = ErrorKind(
        "INVALID_ARGUMENT", "input {input!r} is always {value}", "leave it out, or send exactly that"
    )
    INPUT_VALUE_OUT_OF_RANGE = ErrorKind(
        "INVALID_ARGUMENT",
        "input {input!r} contains {value}, but must be {minimum} to {maximum}",
        "check how it was made",
    )
