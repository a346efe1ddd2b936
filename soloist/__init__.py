"""The client, the command line and the generated stubs, for other programs to import.

`from soloist import Client, AsyncClient`. Names are loaded on first use: the server imports the stubs and the command
and the command line prints its help without loading a client.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soloist.client import (
        NO_RETRY,
        TLS,
        AbortedError,
        Admin,
        AsyncAdmin,
        AsyncClient,
        AsyncMonitor,
        AsyncStream,
        BatchNeighbours,
        Chunked,
        ChunkResult,
        Client,
        Comparison,
        Condition,
        DeadlineExceededError,
        Deviation,
        EstimateTrust,
        InternalError,
        InvalidInputError,
        Keepalive,
        Label,
        LabelOutcome,
        LayerSkew,
        ModelComparison,
        ModelInfo,
        ModelState,
        ModelStatus,
        Monitor,
        NormSkew,
        NotFoundError,
        Outcome,
        Padded,
        PermissionDeniedError,
        PreconditionError,
        Prediction,
        ResourceExhaustedError,
        Resume,
        RetryPolicy,
        Rollout,
        SampledSequence,
        SkewFigures,
        SliceAccuracy,
        SoloistError,
        Stream,
        Timing,
        Token,
        UnauthenticatedError,
        UnavailableError,
        VersionAccuracy,
        WindowAccuracy,
    )

__all__ = [
    "NO_RETRY",
    "TLS",
    "AbortedError",
    "Admin",
    "AsyncAdmin",
    "AsyncClient",
    "AsyncMonitor",
    "AsyncStream",
    "BatchNeighbours",
    "ChunkResult",
    "Chunked",
    "Client",
    "Comparison",
    "Condition",
    "DeadlineExceededError",
    "Deviation",
    "EstimateTrust",
    "InternalError",
    "InvalidInputError",
    "Keepalive",
    "Label",
    "LabelOutcome",
    "LayerSkew",
    "ModelComparison",
    "ModelInfo",
    "ModelState",
    "ModelStatus",
    "Monitor",
    "NormSkew",
    "NotFoundError",
    "Outcome",
    "Padded",
    "PermissionDeniedError",
    "PreconditionError",
    "Prediction",
    "ResourceExhaustedError",
    "Resume",
    "RetryPolicy",
    "Rollout",
    "SampledSequence",
    "SkewFigures",
    "SliceAccuracy",
    "SoloistError",
    "Stream",
    "Timing",
    "Token",
    "UnauthenticatedError",
    "UnavailableError",
    "VersionAccuracy",
    "WindowAccuracy",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'soloist' has no attribute '{name}'")
    import importlib

    value = getattr(importlib.import_module("soloist.client"), name)
    globals()[name] = value
    return value
