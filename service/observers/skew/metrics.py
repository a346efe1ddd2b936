"""The metrics of normalisers under live traffic. Layer names come from manifests: a closed set per version."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import VERSION, CounterFamily, Family, GaugeFamily, Merge, Start, remove

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry, Gauge

    from service.observers.skew.moments import Skew
    from service.observers.skew.reading import LayerReading, Reading
    from soloist.v1.model_pb2 import Model, ProbedLayer, SkewThresholds

_LAYER = (*VERSION, "layer")
_MOMENT = (*_LAYER, "moment")
_MOMENTS = ("mean", "variance")
_NO_FIGURE = float("nan")


class ProbeOutcome(StrEnum):
    """The outcome of probing an answer of a sampled sequence."""

    PROBED = "probed"
    DROPPED = "dropped"
    FAILED = "failed"


def _gauge(name: str, text: str, labels: tuple[str, ...], values: tuple[str, ...] = ()) -> GaugeFamily:
    # Each process has a pool of its own traffic: the one that is furthest off is what an alert is about.
    full = f"soloist_norm_{name}"
    return GaugeFamily(name=full, text=text, labels=labels, values=values, start=Start.VERSION, merge=Merge.MOST)


SKEW = _gauge("skew", "TID: distance of the stored from the live moment, in live deviations.", _MOMENT, _MOMENTS)
SKEW_THRESHOLD = _gauge("skew_threshold", "What held-out data rarely exceeds.", _MOMENT, _MOMENTS)
DIVERGENCE = _gauge("divergence_nats", "KL(live || stored) of Gaussians, mean over features.", _LAYER)
DIVERGENCE_THRESHOLD = _gauge("divergence_threshold_nats", "What held-out data rarely exceeds, in nats.", _LAYER)
INPUT_MEAN = _gauge("input_mean", "Mean over features of |mean| of the layer's input.", _LAYER)
INPUT_DEVIATION = _gauge("input_deviation", "Mean over features of the deviation of the layer's input.", _LAYER)
SEQUENCES = _gauge("skew_sequences", "Effective number of sequences in the pool.", VERSION)
PROBES = CounterFamily(
    name="soloist_norm_probes_total",
    text="Answers of sampled sequences, by outcome of their probe.",
    labels=(*VERSION, "outcome"),
    values=tuple(ProbeOutcome),
    start=Start.VERSION,
)
FAMILIES: Final[tuple[Family, ...]] = (
    *(SKEW, SKEW_THRESHOLD, DIVERGENCE, DIVERGENCE_THRESHOLD, INPUT_MEAN, INPUT_DEVIATION, SEQUENCES, PROBES),
)


class SkewMetrics:
    """One set of series in one registry. A gauge without a figure is NaN, for which no alert fires."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.skew = SKEW.on(registry)
        self.skew_threshold = SKEW_THRESHOLD.on(registry)
        self.divergence = DIVERGENCE.on(registry)
        self.divergence_threshold = DIVERGENCE_THRESHOLD.on(registry)
        self.input_mean = INPUT_MEAN.on(registry)
        self.input_deviation = INPUT_DEVIATION.on(registry)
        self.sequences = SEQUENCES.on(registry)
        self.probes = PROBES.on(registry)
        self._known: dict[tuple[str, str], Sequence[ProbedLayer]] = {}
        self._lock = threading.Lock()

    def prepare(self, model: Model) -> None:
        """Create every series of a ready version, without figures."""
        if not (model.HasField("probe") or model.HasField("input_reference")):
            return
        labels = (model.name, str(model.version))
        with self._lock:
            self._known[labels] = model.probe.layers
            for outcome in ProbeOutcome:
                self.probes.labels(*labels, outcome)
            self.sequences.labels(*labels).set(0)
            self._blank(labels)

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version that has left the repository."""
        with self._lock:
            self._known.pop((name, version), None)
            remove(name, version, (*self._figures, self.sequences, self.probes))

    def count(self, name: str, version: int, outcome: ProbeOutcome) -> None:
        """Count an answer of a sampled sequence, unless its version has left."""
        with self._lock:
            if (name, str(version)) in self._known:
                self.probes.labels(name, str(version), outcome).inc()

    def show(self, name: str, version: int, reading: Reading) -> None:
        """Show the figures of a pool, unless its version has left meanwhile."""
        labels = (name, str(version))
        with self._lock:
            if labels not in self._known:
                return
            self.sequences.labels(*labels).set(reading.effective_sequences)
            if not reading.layers:
                self._blank(labels)
            for each in reading.layers:
                self._show_layer((*labels, each.layer.name), each)

    @property
    def _figures(self) -> tuple[Gauge, ...]:
        compared = (self.skew, self.skew_threshold, self.divergence, self.divergence_threshold)
        return (*compared, self.input_mean, self.input_deviation)

    def _blank(self, labels: tuple[str, str]) -> None:
        for layer in self._known[labels]:
            for family in (self.input_mean, self.input_deviation):
                family.labels(*labels, layer.name).set(_NO_FIGURE)
            if layer.HasField("reference"):
                self._show((*labels, layer.name), None, None)

    def _show_layer(self, labels: tuple[str, str, str], reading: LayerReading) -> None:
        self.input_mean.labels(*labels).set(reading.input_mean)
        self.input_deviation.labels(*labels).set(reading.input_deviation)
        if reading.reference is not None:
            self._show(labels, reading.skew, reading.thresholds)

    def _show(self, labels: tuple[str, str, str], skew: Skew | None, bounds: SkewThresholds | None) -> None:
        _set(self.skew, self.divergence, labels, skew)
        _set(self.skew_threshold, self.divergence_threshold, labels, bounds)


def _set(tid: Gauge, divergence: Gauge, labels: tuple[str, str, str], figures: Skew | SkewThresholds | None) -> None:
    tid.labels(*labels, "mean").set(figures.mean_tid if figures else _NO_FIGURE)
    tid.labels(*labels, "variance").set(figures.variance_tid if figures else _NO_FIGURE)
    divergence.labels(*labels).set(figures.divergence_nats if figures else _NO_FIGURE)
