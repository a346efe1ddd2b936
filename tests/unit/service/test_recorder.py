"""One recorder, two views: the exact sums and the metrics tell the same, and nothing outlives its version."""

from __future__ import annotations

import time

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.engine.runner import RunSeconds
from service.loading.servable import Servable
from service.serving.batcher import Answer
from service.serving.call import Call
from service.serving.call_metrics import FIRST_OUTPUT_SECONDS
from service.serving.recorder import Recorder
from tests.servables import GatedRunner, servable
from tests.unit.service.conftest import Meter

VERSION = {"model": "gated", "version": "1"}
RUN = RunSeconds(gather=0.001, graph=0.01, scatter=0.002)


@pytest.fixture
def target() -> Servable:
    return servable(GatedRunner(), sliced=True)


@pytest.fixture
def recorder(meter: Meter, target: Servable) -> Recorder:
    listed = {(target.name, target.version)}
    meter.metrics.recorder.is_listed = lambda name, version: (name, version) in listed
    meter.metrics.versions.prepare(target.manifest, "bitwise")
    return meter.metrics.recorder


def answer(queue_seconds: float = 0.0) -> Answer:
    return Answer(
        outputs=np.zeros((1, 1), np.float32),
        states={},
        queue_seconds=queue_seconds,
        compute_seconds=0.02,
        run=RUN,
        batch_size=1,
        padded_frames=1,
    )


def test_metrics_and_sums_are_views_on_the_same_record(meter: Meter, recorder: Recorder, target: Servable) -> None:
    call = Call(api="ModelInfer", model="gated", version="1")
    assert meter.value("soloist_predictions_total", norm=target.manifest.norm, **VERSION) == 0
    recorder.ran(target, [3, 1], RUN)
    recorder.ran(target, [2], RUN)
    recorder.succeeded(call, target, [answer(0.3), answer(0.1), answer()], seconds=0.5)
    recorder.failed(target, seconds=0.25)
    recorder.sequence_ended(target, 7)
    recorder.call_ended(call, "OK", time.perf_counter())

    sums = recorder.statistics(target)
    assert {size: run.graph.count for size, run in sums.runs.items()} == {2: 1, 1: 1}
    assert meter.value("soloist_batch_size_count", **VERSION) == 2
    assert meter.value("soloist_batch_size_sum", **VERSION) == 3
    assert sum(sums.rows.values()) == 3
    assert meter.value("soloist_predictions_total", norm=target.manifest.norm, **VERSION) == 3
    assert (sums.success.count, sums.success.ns, sums.fail.count, sums.fail.ns) == (1, 500_000_000, 1, 250_000_000)
    assert sums.queue.ns == 300_000_000  # of the slowest row
    assert meter.value("soloist_queue_seconds_count", api="ModelInfer", **VERSION) == 3
    assert meter.value("soloist_sequence_frames_sum", **VERSION) == 7
    assert meter.value("soloist_requests_total", api="ModelInfer", code="OK", **VERSION) == 1
    assert meter.value("soloist_request_seconds_count", api="ModelInfer", **VERSION) == 1


def test_what_comes_after_a_version_has_left_makes_no_series(
    meter: Meter, recorder: Recorder, target: Servable
) -> None:
    call = Call(api="Predict", model="gated", version="1")
    recorder.succeeded(call, target, [answer()], seconds=0.1)
    recorder.is_listed = lambda _name, _version: False
    meter.metrics.versions.forget("gated", "1")
    recorder.ran(target, [1], RUN)
    recorder.succeeded(call, target, [answer()], seconds=0.1)
    recorder.failed(target, seconds=0.1)
    recorder.sequence_ended(target, 1)
    recorder.call_ended(call, "OK", time.perf_counter())

    samples = [sample for family in meter.registry.collect() for sample in family.samples]
    assert [sample.name for sample in samples if sample.labels.get("version") == "1"] == []
    # The call itself is still counted.
    assert meter.value("soloist_requests_total", api="Predict", code="OK", model="", version="") == 1


def test_a_distribution_is_shown_as_the_metrics_library_shows_its_own(meter: Meter, recorder: Recorder) -> None:
    call = Call(api="Predict", model="gated", version="1", first_frames_at=1.0, first_output_at=1.5)
    recorder.call_ended(call, "OK", time.perf_counter())
    call.first_output_at = 1.125
    recorder.call_ended(call, "OK", time.perf_counter())
    own = CollectorRegistry()
    theirs = FIRST_OUTPUT_SECONDS.on(own).labels("gated", "1", "Predict")
    theirs.observe(0.5)
    theirs.observe(0.125)
    shown = {
        line
        for line in generate_latest(meter.registry).decode().splitlines()
        if line.startswith(FIRST_OUTPUT_SECONDS.name)
    }
    assert shown == {
        line for line in generate_latest(own).decode().splitlines() if "#" not in line and "_created" not in line
    }


def test_a_version_that_comes_back_begins_anew(meter: Meter, recorder: Recorder, target: Servable) -> None:
    call = Call(api="Predict", model="gated", version="1")
    recorder.call_ended(call, "OK", time.perf_counter())
    meter.metrics.versions.forget("gated", "1")
    meter.metrics.versions.prepare(target.manifest, "bitwise")
    assert meter.value("soloist_requests_total", api="Predict", code="OK", **VERSION) == 0
    recorder.call_ended(call, "OK", time.perf_counter())
    assert meter.value("soloist_requests_total", api="Predict", code="OK", **VERSION) == 1
