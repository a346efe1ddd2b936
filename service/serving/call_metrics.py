"""The metrics of calls and requests: how they ended, how long they took, and how long they waited."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from service.core.errors import Reason
from service.core.metrics import CALL, VERSION, CounterFamily, Family, HistogramFamily, Start, one_two_five, remove

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

# First the methods that run a model, then those about one model, last those that are counted without a model.
INFERENCE_APIS = ("Predict", "Stream", "ModelInfer", "ModelStreamInfer")
MODEL_APIS = (
    *("GetModel", "Compare", "GetAccuracy", "GetNormSkew", "ListSampledSequences"),
    *("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"),
)
VERSION_APIS = (*INFERENCE_APIS, *MODEL_APIS)
SERVER_APIS = (
    *("ListModels", "LoadModel", "UnloadModel", "GetRollout", "UpdateRollout", "Report", "ReportStream"),
    *("ServerLive", "ServerReady", "ServerMetadata"),
    *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    *("SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"),
    *("CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"),
    *("TraceSetting", "LogSettings", "Check", "Watch", "ServerReflectionInfo"),
)
CODES = ("OK", *sorted({reason.code for reason in Reason}))
# The codes that alerts read. The series of another code appears with the first call that ends with it.
ALERTED_CODES = ("OK", "INTERNAL", "RESOURCE_EXHAUSTED")

REQUESTS = CounterFamily(
    name="soloist_requests_total",
    text="Finished calls by gRPC code; for ModelStreamInfer also each of its requests.",
    labels=(*CALL, "code"),
    values=CODES,
    start=Start.VERSION,
)
REQUEST_SECONDS = HistogramFamily(
    name="soloist_request_seconds",
    text="Time from the arrival of a call to its end.",
    labels=CALL,
    buckets=one_two_five(1e-4, 200),
    start=Start.FIRST,
)
FIRST_OUTPUT_SECONDS = HistogramFamily(
    name="soloist_first_output_seconds",
    text="Time from the first frames to the first output.",
    labels=CALL,
    buckets=one_two_five(1e-4, 10),
    start=Start.FIRST,
)
QUEUE_SECONDS = HistogramFamily(
    name="soloist_queue_seconds",
    text="Time that frames waited before they ran.",
    labels=CALL,
    buckets=one_two_five(1e-4, 10),
    start=Start.FIRST,
)
COMPUTE_SECONDS = HistogramFamily(
    name="soloist_compute_seconds",
    text="Time of the runs that answered the frames.",
    labels=CALL,
    buckets=one_two_five(5e-5, 10),
    start=Start.FIRST,
)
SEQUENCE_FRAMES = HistogramFamily(
    name="soloist_sequence_frames",
    text="Frames of each sequence that was answered to its end.",
    labels=VERSION,
    buckets=one_two_five(1, 10_000),
    start=Start.FIRST,
)
FAMILIES: Final[tuple[Family, ...]] = (
    *(REQUESTS, REQUEST_SECONDS, FIRST_OUTPUT_SECONDS, QUEUE_SECONDS, COMPUTE_SECONDS, SEQUENCE_FRAMES),
)


class CallMetrics:
    """One set of series in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = REQUESTS.on(registry)
        self.request_seconds = REQUEST_SECONDS.on(registry)
        self.first_output_seconds = FIRST_OUTPUT_SECONDS.on(registry)
        self.queue_seconds = QUEUE_SECONDS.on(registry)
        self.compute_seconds = COMPUTE_SECONDS.on(registry)
        self.sequence_frames = SEQUENCE_FRAMES.on(registry)
        self.prepare("", "", (*VERSION_APIS, *SERVER_APIS))

    def prepare(self, name: str, version: str, apis: tuple[str, ...] = VERSION_APIS) -> None:
        """Create the counters that alerts read."""
        for api in apis:
            for code in ALERTED_CODES:
                self.requests.labels(name, version, api, code)

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version."""
        remove(name, version, tuple(vars(self).values()))


class ApiSeries:
    """The series of one API of one version. Each is looked up once, since a look-up takes longer than a count.

    What is counted after the version was forgotten is lost.
    """

    def __init__(self, metrics: CallMetrics, name: str, version: str, api: str) -> None:
        self._metrics = metrics
        self._labels = (name, version, api)
        self._requests: dict[str, Counter] = {}

    def requests(self, code: str) -> Counter:
        """Return the counter of the calls that ended with a code."""
        found = self._requests.get(code)
        if found is None:
            found = self._requests[code] = self._metrics.requests.labels(*self._labels, code)
        return found

    @cached_property
    def request_seconds(self) -> Histogram:
        """Return the histogram of the time of calls."""
        return self._metrics.request_seconds.labels(*self._labels)

    @cached_property
    def first_output_seconds(self) -> Histogram:
        """Return the histogram of the time to the first output."""
        return self._metrics.first_output_seconds.labels(*self._labels)

    @cached_property
    def queue_seconds(self) -> Histogram:
        """Return the histogram of the time in the queue."""
        return self._metrics.queue_seconds.labels(*self._labels)

    @cached_property
    def compute_seconds(self) -> Histogram:
        """Return the histogram of the time of runs."""
        return self._metrics.compute_seconds.labels(*self._labels)
