"""The closed sets that labels of metrics are taken from."""

from __future__ import annotations

from service.core.errors import Reason
from service.observers.feedback.label import Outcome

# What calls that answer users are counted under; the others ask about models.
INFERENCE_APIS = ("Predict", "Stream", "ModelInfer", "ModelStreamInfer")
MODEL_APIS = (
    *("GetModel", "Compare", "GetAccuracy", "GetNormSkew", "ListSampledSequences"),
    *("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"),
)
CATALOGUE_APIS = (
    "ListModels",
    "LoadModel",
    "UnloadModel",
    "GetRollout",
    "UpdateRollout",
    "Report",
    "ReportStream",
    "ServerLive",
    "ServerReady",
    "ServerMetadata",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "SystemSharedMemoryStatus",
    "SystemSharedMemoryRegister",
    "SystemSharedMemoryUnregister",
    "CudaSharedMemoryStatus",
    "CudaSharedMemoryRegister",
    "CudaSharedMemoryUnregister",
    "TraceSetting",
    "LogSettings",
    "Check",
    "Watch",
    "ServerReflectionInfo",
)
CODES = ("OK", *sorted({reason.code for reason in Reason}))
# Of calls that ask about models: what an alert looks at, or a share is of.
MODEL_CODES = ("OK", "INTERNAL")
CHECK_OUTCOMES = ("equal", "different", "dropped", "failed")
SHADOW_OUTCOMES = ("equal-bits", "same-class", "different-class", "different-values", "failed", "dropped")
LABEL_OUTCOMES = tuple(Outcome)
# Who works off the request path, or is told of answers (service.core.failures says what the end of each would mean).
BACKGROUND_WORKERS = (
    *("run-watch", "event-loop", "arrivals"),
    *("prediction-log", "accuracy", "shadow", "skew", "live-check", "statistics"),
    *("repository", "metrics", "http"),
)
SESSION_ENDS = ("complete", "cancelled", "deadline", "idle", "drained", "error")
