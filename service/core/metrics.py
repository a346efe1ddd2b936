"""Every metric of the server: names are a contract with dashboards, labels are closed sets, units are base units.

Which series are there before anything happens: counters of what can be expected, because the first increment of a new
one is lost to rate(). For each version those are the calls that answer users, under every code, and of those that ask
about models the codes that are looked at. Histograms of a version, most of a page, come with their first observation:
what is observed before the next scrape is missing in quantiles, and most versions are called by one API of four.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.core.metric_labels import (
    BACKGROUND_WORKERS,
    CATALOGUE_APIS,
    CHECK_OUTCOMES,
    CODES,
    INFERENCE_APIS,
    LABEL_OUTCOMES,
    MODEL_APIS,
    MODEL_CODES,
    SESSION_ENDS,
    SHADOW_OUTCOMES,
)
from service.observers.skew.metrics import SkewMetrics

if TYPE_CHECKING:
    from soloist.v1.model_pb2 import Model

# Fine enough below a millisecond: a quantile read off a coarse bucket is an invention.
_SECONDS = (
    5e-5, 1e-4, 1.5e-4, 2e-4, 3e-4, 4e-4, 5e-4, 7.5e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 4e-3, 5e-3, 7.5e-3,
    0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300,
)  # fmt: skip
_LAGS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_RATIOS = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_FRAMES = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000, 10_000, 100_000)
_DELAYS = (0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 3 * 86_400, 7 * 86_400, 30 * 86_400)
_CALL = ("model", "version", "api")
_MODEL = ("model", "version")


class Metrics:
    """One set of series in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self.requests = Counter(
            "soloist_requests_total", "Calls that ended, by gRPC code.", (*_CALL, "code"), registry=registry
        )
        self.request_seconds = histogram(
            "soloist_request_seconds", "Time from a call's arrival to its end.", _CALL, _SECONDS
        )
        self.first_output_seconds = histogram(
            "soloist_first_output_seconds", "Time from the first frames to the first output.", _CALL, _SECONDS
        )
        self.queue_seconds = histogram(
            "soloist_queue_seconds", "Time that frames waited before they ran.", _CALL, _SECONDS
        )
        self.compute_seconds = histogram(
            "soloist_compute_seconds", "Time of the runs that answered the frames.", _CALL, _SECONDS
        )
        self.batch_size = histogram("soloist_batch_size", "Sequences that shared a run.", _MODEL, _SIZES)
        self.padding_ratio = histogram(
            "soloist_padding_ratio", "Share of a run's frames that were padding.", _MODEL, _RATIOS
        )
        self.sequence_frames = histogram(
            "soloist_sequence_frames", "Frames of a sequence that was answered to its end.", _MODEL, _FRAMES
        )
        self.sessions_open = Gauge(
            "soloist_sessions_open", "Streams and sequences that are open.", ("model",), registry=registry
        )
        self.sessions_ended = Counter(
            "soloist_sessions_ended_total", "Streams and sequences that ended, by what ended them.",
            ("model", "reason"),
            registry=registry,
        )  # fmt: skip
        self.session_state_bytes = Gauge(
            "soloist_session_state_bytes",
            "Memory that open streams hold: their states, and answers kept for repeats.",
            ("model",),
            registry=registry,
        )
        self.predictions = Counter(
            "soloist_predictions_total", "Answers given, by the model's normaliser.", (*_MODEL, "norm"),
            registry=registry,
        )  # fmt: skip
        self.invariance_checks = Counter(
            "soloist_invariance_checks_total", "Answers that were run again alone, by what came of it.",
            (*_MODEL, "outcome"), registry=registry,
        )  # fmt: skip
        self.shadow_steps = Counter(
            "soloist_shadow_steps_total", "Steps that a shadow got copies of, by how far its answers were apart.",
            (*_MODEL, "shadow", "outcome"), registry=registry,
        )  # fmt: skip
        self.labels = Counter(
            "soloist_labels_total", "Labels by what came of them; a pending one counts again when that is known.",
            (*_MODEL, "norm", "outcome"), registry=registry,
        )  # fmt: skip
        self.label_delay_seconds = histogram(
            "soloist_label_delay_seconds", "Time from an answer to the event that told its label.", ("model",), _DELAYS
        )
        self.log_dropped = Counter(
            "soloist_prediction_log_dropped_total",
            "Answers that the prediction log had no room for, or failed to write.",
            _MODEL,
            registry=registry,
        )
        self.model_info = Gauge(
            "soloist_model_info", "1 for every version that answers calls.", (*_MODEL, "norm", "certificate"),
            registry=registry,
        )  # fmt: skip
        self._families = tuple(vars(self).values())
        self.background_failures = Counter(
            "soloist_background_failures_total",
            "Failures off the request path, by what failed; it goes on.",
            ("worker",),
            registry=registry,
        )
        for worker in BACKGROUND_WORKERS:
            self.background_failures.labels(worker)
        self.workers = Gauge("soloist_workers", "Runs of models that may be under way at once.", registry=registry)
        self.event_loop_lag = histogram(
            "soloist_event_loop_lag_seconds", "How late the event loop was, looked at 20 times a second.", (), _LAGS
        )
        self.norms = SkewMetrics(registry)
        for api in (*INFERENCE_APIS, *MODEL_APIS, *CATALOGUE_APIS):
            for code in CODES:
                self.requests.labels("", "", api, code)
        for outcome in LABEL_OUTCOMES:
            self.labels.labels("", "", "", outcome)

    def prepare(self, model: Model, certificate: str) -> None:
        """Create the counters of a version that is ready, so that rates are right from the first call on."""
        name, version = model.name, str(model.version)
        for api in INFERENCE_APIS:
            for code in CODES:
                self.requests.labels(name, version, api, code)
        for api in MODEL_APIS:
            for code in MODEL_CODES:
                self.requests.labels(name, version, api, code)
        for reason in SESSION_ENDS:
            self.sessions_ended.labels(name, reason)
        for outcome in CHECK_OUTCOMES:
            self.invariance_checks.labels(name, version, outcome)
        self.sessions_open.labels(name)
        self.session_state_bytes.labels(name)
        self.predictions.labels(name, version, model.norm)
        self.norms.prepare(model)
        if model.labels:  # of others nothing is logged
            for outcome in LABEL_OUTCOMES:
                self.labels.labels(name, version, model.norm, outcome)
            self.label_delay_seconds.labels(name)
            self.log_dropped.labels(name, version)
        self.withdraw(name, version)
        self.model_info.labels(name, version, model.norm, certificate).set(1)

    def prepare_shadow(self, name: str, version: str, shadow: str) -> None:
        """Create the series of a version and its shadow."""
        for outcome in SHADOW_OUTCOMES:
            self.shadow_steps.labels(name, version, shadow, outcome)

    def withdraw(self, name: str, version: str) -> None:
        """Take back that a version answers calls. Its counts stay: a scrape may not have seen the last of them."""
        self.model_info.remove_by_labels({"model": name, "version": version})

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version that has left the repository: new ones come for ever, memory doesn't."""
        self.norms.forget(name, version)
        for family in self._families:
            for role in {"version", "shadow"} & set(family._labelnames):
                family.remove_by_labels({"model": name, role: version})
