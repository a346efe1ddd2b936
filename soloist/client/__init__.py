"""Typed clients of a Soloist server, blocking and for asyncio: numpy in, numpy out."""

from soloist.client.accuracy import EstimateTrust, SliceAccuracy, VersionAccuracy, WindowAccuracy
from soloist.client.admin import Admin, AsyncAdmin, Rollout
from soloist.client.aio import AsyncClient
from soloist.client.blocking import Client
from soloist.client.catalogue import ModelInfo, ModelState, ModelStatus
from soloist.client.channel import Keepalive
from soloist.client.comparison import (
    BatchNeighbours,
    Chunked,
    Comparison,
    Condition,
    Deviation,
    ModelComparison,
    Outcome,
    Padded,
)
from soloist.client.errors import (
    AbortedError,
    DeadlineExceededError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    ResourceExhaustedError,
    SoloistError,
    UnauthenticatedError,
    UnavailableError,
)
from soloist.client.labels import Label, LabelOutcome
from soloist.client.monitor import AsyncMonitor, Monitor
from soloist.client.norm_skew import LayerSkew, NormSkew, SkewFigures
from soloist.client.predictions import ChunkResult, Prediction
from soloist.client.resume import Resume
from soloist.client.retry import NO_RETRY, RetryPolicy, Timing
from soloist.client.stream import AsyncStream, Stream
from soloist.client.tls import TLS
from soloist.client.token import Token
from soloist.sampled_sequences import SampledSequence

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
