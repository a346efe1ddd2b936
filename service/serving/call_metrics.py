"""The metrics of calls and requests: how they ended, how long they took, and how long they waited.

They are numbers of our own, which a scrape reads: a counter of the metrics library has a lock, and takes several times
as long as a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import Metric
from prometheus_client.registry import Collector

from service.core.errors import REASONS
from service.core.metrics import (
    CALL,
    VERSION,
    CounterFamily,
    Distribution,
    Family,
    HistogramFamily,
    Start,
    one_two_five,
)

# First the methods that run a model, then those about one model, last those that are counted without a model.
INFERENCE_APIS = ("Predict", "Stream", "ModelInfer", "ModelStreamInfer")
MODEL_APIS = (
    *("GetModel", "Compare", "GetAccuracy", "GetNormSkew", "ListSampledSequences"),
    *("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"),
)
VERSION_APIS = (*INFERENCE_APIS, *MODEL_APIS)
SERVER_APIS = (
    *("ListModels", "LoadModel", "UnloadModel", "GetRollout", "UpdateRollout", "Report", "ReportStream"),
    *("SetLogLevel", "Drain"),
    *("ServerLive", "ServerReady", "ServerMetadata"),
    *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    *("SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"),
    *("CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"),
    *("TraceSetting", "LogSettings", "Check", "Watch", "ServerReflectionInfo"),
)
CODES = ("OK", *sorted({reason.code for reason in REASONS.values()}))
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


class ApiCalls:
    """The calls of one API of one version, or those without a model. Written on the event loop only."""

    __slots__ = ("compute_seconds", "first_output_seconds", "queue_seconds", "request_seconds", "requests")

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.request_seconds = Distribution(REQUEST_SECONDS)
        self.first_output_seconds = Distribution(FIRST_OUTPUT_SECONDS)
        self.queue_seconds = Distribution(QUEUE_SECONDS)
        self.compute_seconds = Distribution(COMPUTE_SECONDS)

    def ended(self, code: str) -> None:
        """Count a call."""
        self.requests[code] = self.requests.get(code, 0) + 1


class VersionCalls:
    """The calls of one version by API, and its sequences."""

    def __init__(self) -> None:
        self.apis: dict[str, ApiCalls] = {}
        self.sequence_frames = Distribution(SEQUENCE_FRAMES)

    def prepare(self, apis: Iterable[str] = VERSION_APIS) -> None:
        """Create the counters that alerts read."""
        for api in apis:
            requests = self.of(api).requests
            for code in ALERTED_CODES:
                requests.setdefault(code, 0)

    def of(self, api: str) -> ApiCalls:
        """Return the calls of an API."""
        found = self.apis.get(api)
        if found is None:
            found = self.apis[api] = ApiCalls()
        return found


class CallView(Collector):
    """The metrics that are read off the calls, on the thread of a scrape."""

    def __init__(self, read: Callable[[], Mapping[tuple[str, str], VersionCalls]]) -> None:
        """Create the view; `read` returns the calls by model and version."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Return every family."""
        requests, frames = REQUESTS.collected(), SEQUENCE_FRAMES.collected()
        seconds = {
            "request_seconds": REQUEST_SECONDS.collected(),
            "first_output_seconds": FIRST_OUTPUT_SECONDS.collected(),
            "queue_seconds": QUEUE_SECONDS.collected(),
            "compute_seconds": COMPUTE_SECONDS.collected(),
        }
        for version, calls in self._read().items():
            calls.sequence_frames.add_to(frames, version)
            for api, each in list(calls.apis.items()):
                for code, count in list(each.requests.items()):
                    requests.add_metric((*version, api, code), count)
                for name, family in seconds.items():
                    getattr(each, name).add_to(family, (*version, api))
        yield from (requests, *seconds.values(), frames)
