"""Typed clients of a Soloist server, blocking and for asyncio: numpy in, numpy out."""

from soloist.client.admin import Admin
from soloist.client.aio import AsyncClient
from soloist.client.aio_admin import AsyncAdmin
from soloist.client.aio_monitor import AsyncMonitor
from soloist.client.aio_stream import AsyncStream
from soloist.client.blocking import Client
from soloist.client.channel import TLS
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
    PreconditionError,
    ResourceExhaustedError,
    SoloistError,
    UnavailableError,
)
from soloist.client.feedback import Label, LabelOutcome, SliceAccuracy, VersionAccuracy, WindowAccuracy
from soloist.client.monitor import Monitor
from soloist.client.norm_skew import LayerSkew, NormSkew, SampledSequence, SkewFigures
from soloist.client.results import ChunkResult, ModelInfo, ModelState, ModelStatus, Prediction
from soloist.client.retry import NO_RETRY, RetryPolicy, Timing
from soloist.client.rollout import Rollout
from soloist.client.stream import Stream

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
    "InternalError",
    "InvalidInputError",
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
    "PreconditionError",
    "Prediction",
    "ResourceExhaustedError",
    "RetryPolicy",
    "Rollout",
    "SampledSequence",
    "SkewFigures",
    "SliceAccuracy",
    "SoloistError",
    "Stream",
    "Timing",
    "UnavailableError",
    "VersionAccuracy",
    "WindowAccuracy",
]
