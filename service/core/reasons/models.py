"""Models: which there are, and what each can do."""

from __future__ import annotations

from service.core.reasons.error_kind import ErrorKind


class ModelReasons:
    """Models: which there are, and what each can do."""

    MODEL_NOT_FOUND = ErrorKind(
        "NOT_FOUND", "there is no model {model!r}", "ListModels and RepositoryIndex list all models"
    )
    MODEL_VERSION_NOT_FOUND = ErrorKind(
        "NOT_FOUND",
        "model {model!r} has no version {version}",
        "ListModels and RepositoryIndex list all versions; leave the version out, or send 0, for the default one",
    )
    MODEL_UNAVAILABLE = ErrorKind(
        "FAILED_PRECONDITION",
        "model {model!r} could not be loaded: {cause}",
        "ask the operator to export it again",
    )
    MODEL_LOADING = ErrorKind("UNAVAILABLE", "model {model!r} is still loading", "try again in a moment")
    MODEL_NOT_LOADED = ErrorKind(
        "FAILED_PRECONDITION",
        "version {version} of model {model!r} takes no new sequences: {cause}",
        "leave the version out, or ask the operator to load it",
    )
    MODEL_NOT_CAUSAL = ErrorKind(
        "FAILED_PRECONDITION",
        "model {model!r} reads later frames, so it can't stream",
        "send the whole sequence in one request",
    )
    TIME_AXIS_UNKNOWN = ErrorKind(
        "FAILED_PRECONDITION",
        "the time axis of model {model!r} isn't declared, so only the Open Inference Protocol can call it",
        "call ModelInfer, or ask the operator to declare the axes in config.pbtxt with the parameter "
        '"layout.<input>", for example "batch time feature"',
    )
    LABELS_NOT_WRITTEN = ErrorKind(
        "FAILED_PRECONDITION",
        "the labels of model {model!r} can't be written: {cause}",
        "let the server write to the model's folder, or put the file there yourself",
    )
