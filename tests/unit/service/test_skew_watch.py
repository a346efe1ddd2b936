"""The probe's worker: whole sequences are sampled, what finds no room is counted, and nobody waits."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.engine.runner import Row
from service.loading.servable import Servable
from service.observers.skew.sample_buffer import PIECE_BYTES
from service.observers.skew.watch import SkewPolicy, SkewWatch, is_sampled
from service.serving.prediction import Prediction
from tests.probes import POISON, WINDOW, FramesProbe, manifest, probed
from tests.servables import GatedRunner, servable
from tests.unit.service.conftest import Meter

QUEUED = 3
POLICY = SkewPolicy(
    ratio=1.0, half_life_seconds=60.0, keep_sequences=2, max_queued=QUEUED, max_step_bytes=100,
    core_ratio=1.0,
)  # fmt: skip


def answer(target: Servable, sequence_id: str, *values: float, first_frame: int = 0, state: float = 0.0) -> Prediction:
    return Prediction(
        id=f"{sequence_id}@{first_frame}",
        servable=target,
        sequence_id=sequence_id,
        row=Row(frames=np.array(values, np.float32)[:, None], states={"sum": np.full((1, 1), state, np.float32)}),
        outputs=np.zeros((1, 1), np.float32),
        first_frame=first_frame,
        is_whole=False,
        batch_size=1,
    )


def counts(meter: Meter) -> dict[str, int]:
    samples = next(iter(meter.metrics.skew.probes.collect())).samples
    return {each.labels["outcome"]: int(each.value) for each in samples if each.name.endswith("_total") and each.value}


def figure(meter: Meter, name: str, **labels: str) -> Any:
    return meter.value(f"soloist_norm_{name}", model="gated", version="1", **labels)


@pytest.fixture
def probe() -> FramesProbe:
    return FramesProbe(("norm", "layer"))


@pytest.fixture
def target(meter: Meter, probe: FramesProbe) -> Servable:
    target = probed(probe)
    meter.metrics.versions.prepare(target.manifest, target.certificate)
    return target


@pytest.fixture
def watch(meter: Meter, probe: FramesProbe) -> Iterator[SkewWatch]:
    with SkewWatch(POLICY, meter.metrics.skew, meter.metrics.trust, meter.failures, clock=lambda: 0.0) as watch:
        yield watch
        probe.gate.set()


def fill(watch: SkewWatch, target: Servable, value: float) -> None:
    for index in range(WINDOW):
        watch.observe(answer(target, str(index), value - 1, value + 1))
        watch.settle()


def test_figures_are_shown_once_there_are_enough_sequences(meter: Meter, watch: SkewWatch, target: Servable) -> None:
    assert np.isnan(figure(meter, "skew", layer="norm", moment="mean"))
    assert np.isnan(figure(meter, "divergence_nats", layer="norm"))
    assert figure(meter, "skew_sequences") == 0
    fill(watch, target, 2.0)
    assert figure(meter, "skew_sequences") == pytest.approx(WINDOW, rel=1e-3)
    assert figure(meter, "skew", layer="norm", moment="mean") == pytest.approx(2, rel=1e-3)
    assert figure(meter, "skew", layer="norm", moment="variance") == pytest.approx(0, abs=1e-3)
    assert figure(meter, "divergence_nats", layer="norm") == pytest.approx(2, rel=1e-3)
    assert figure(meter, "skew_threshold", layer="norm", moment="mean") == 0.5
    assert figure(meter, "divergence_threshold_nats", layer="norm") == 0.5
    assert figure(meter, "input_mean", layer="norm") == figure(meter, "input_mean", layer="layer") == pytest.approx(2)


def test_figures_go_when_one_sequence_outweighs_the_others(meter: Meter, watch: SkewWatch, target: Servable) -> None:
    fill(watch, target, 2.0)
    watch.observe(answer(target, "0", *[2.0] * 20, first_frame=2))
    watch.settle()
    assert figure(meter, "skew_sequences") < WINDOW
    assert np.isnan(figure(meter, "skew", layer="norm", moment="mean"))
    assert np.isnan(figure(meter, "input_mean", layer="layer"))


def test_a_control_has_no_series_of_skew(meter: Meter, target: Servable) -> None:
    assert target.probe is not None
    assert figure(meter, "skew", layer="layer", moment="mean") is None
    assert np.isnan(figure(meter, "input_deviation", layer="layer"))


def test_a_version_that_has_left_has_no_series(meter: Meter, watch: SkewWatch, target: Servable) -> None:
    meter.metrics.versions.forget("gated", "1")
    fill(watch, target, 2.0)
    assert counts(meter) == {}
    assert [
        sample.name for family in meter.registry.collect() for sample in family.samples if "norm_" in sample.name
    ] == []


def test_a_version_without_a_probe_is_left_alone(meter: Meter, watch: SkewWatch) -> None:
    watch.observe(answer(servable(GatedRunner()), "a", 1))
    watch.settle()
    assert counts(meter) == {}


def referred(*, version: int = 1, **parts: Any) -> Servable:
    """Make a version whose frames were of mean 0 and variance 1, with thresholds of 0.5."""
    made = replace(servable(GatedRunner(), version=version), **parts)
    known, layer = made.manifest.input_reference, manifest().layers[0]
    made.manifest.version, made.manifest.norm, known.eps = version, "layer", layer.eps
    made.manifest.signature.frames.shape[:] = [-1, -1, 1]
    known.moments.CopyFrom(layer.reference)
    known.thresholds.extend(layer.thresholds)
    return made


def trusted(meter: Meter, norm: str = "layer") -> tuple[float | None, float | None]:
    labels = {"model": "gated", "version": "1", "norm": norm}
    return tuple(  # type: ignore[return-value]
        meter.value(name, **labels) for name in ("soloist_estimated_accuracy_trusted", "soloist_input_drift_ratio")
    )


def test_frames_are_compared_without_a_probe(meter: Meter, watch: SkewWatch) -> None:
    target = referred()
    meter.metrics.versions.prepare(target.manifest, target.certificate)
    assert not watch.samples(target, "a")  # the states before a chunk are of no use
    fill(watch, target, 0.0)
    is_trusted, drift = trusted(meter)
    assert is_trusted == 1
    assert drift == pytest.approx(0, abs=1e-3)
    assert figure(meter, "skew_sequences") == pytest.approx(WINDOW)
    watch.observe(answer(target, "poisoned", float("nan")))
    watch.observe(answer(target, "loud", *[8.0] * 3))
    watch.settle()
    is_trusted, drift = trusted(meter)
    assert is_trusted == 0
    assert drift is not None
    assert drift > 1
    assert counts(meter) == {"failed": 1, "probed": WINDOW + 1}


def test_nothing_is_said_any_more_once_one_sequence_outweighs_the_others(meter: Meter, watch: SkewWatch) -> None:
    target = referred()
    meter.metrics.versions.prepare(target.manifest, target.certificate)
    fill(watch, target, 0.0)
    watch.observe(answer(target, "0", *[0.0] * 20, first_frame=2))
    watch.settle()
    assert trusted(meter) == (None, None)
    assert watch.watched(target).trust().is_trusted is None


def test_a_normaliser_that_is_off_is_reason_enough(meter: Meter, watch: SkewWatch, target: Servable) -> None:
    fill(watch, target, 2.0)
    found = watch.watched(target).trust()
    assert (found.is_trusted, found.input_drift, found.layer) == (False, None, "norm")
    assert found.norm_skew == pytest.approx(4, rel=1e-3)
    assert trusted(meter, target.manifest.norm) == (0, None)


def test_moments_of_controls_say_nothing_of_trust(meter: Meter, watch: SkewWatch) -> None:
    control = probed(FramesProbe(("layer",)))
    del control.manifest.probe.layers[0]
    meter.metrics.versions.prepare(control.manifest, control.certificate)
    fill(watch, control, 2.0)
    found = watch.watched(control).trust()
    assert (found.is_trusted, found.least_sequences) == (None, 0)


def test_what_fails_is_counted_and_the_next_is_probed(meter: Meter, watch: SkewWatch, target: Servable) -> None:
    watch.observe(answer(target, "a", POISON))
    watch.observe(answer(target, "b", float("nan")))
    watch.observe(answer(target, "c", 1))
    watch.settle()
    assert counts(meter) == {"failed": 2, "probed": 1}


def test_what_finds_no_room_is_dropped_at_once(
    meter: Meter, watch: SkewWatch, target: Servable, probe: FramesProbe
) -> None:
    probe.gate.clear()
    watch.observe(answer(target, "a", 1))
    assert probe.begun.acquire(timeout=30)
    for index in range(QUEUED + 2):
        watch.observe(answer(target, str(index), 1))
    watch.observe(answer(target, "large", *[1.0] * 30))
    probe.gate.set()
    watch.settle()
    assert counts(meter) == {"probed": 1 + QUEUED, "dropped": 3}


def test_what_waits_at_the_end_is_dropped(meter: Meter, target: Servable, probe: FramesProbe) -> None:
    with SkewWatch(POLICY, meter.metrics.skew, meter.metrics.trust, meter.failures) as watch:
        probe.gate.clear()
        watch.observe(answer(target, "a", 1))
        assert probe.begun.acquire(timeout=30)
        watch.observe(answer(target, "b", 1))
    watch.observe(answer(target, "c", 1))
    probe.gate.set()
    watch.settle()
    assert counts(meter) == {"probed": 1, "dropped": 2}


def test_all_or_nothing_of_a_sequence_is_sampled(meter: Meter, target: Servable) -> None:
    policy = SkewPolicy(ratio=0.3, half_life_seconds=60.0, core_ratio=1.0)
    names = [f"{index:032x}" for index in range(200)]
    drawn = [name for name in names if is_sampled(name, 0.3)]
    with SkewWatch(policy, meter.metrics.skew, meter.metrics.trust, meter.failures) as watch:
        for name in names:
            for first_frame in range(3):
                watch.observe(answer(target, name, 1, first_frame=first_frame))
                watch.settle()
        reading = watch.watched(target).pool.read()
    assert (reading.sequences, reading.frames) == (len(drawn), 3 * len(drawn))
    assert 30 < len(drawn) < 90
    assert set(drawn) <= {name for name in names if is_sampled(name, 0.5)}


def test_none_and_all_are_exact() -> None:
    names = [str(index) for index in range(100)]
    assert not any(is_sampled(name, 0.0) for name in names)
    assert all(is_sampled(name, 1.0) for name in names)


def test_a_version_that_has_left_is_not_held(meter: Meter, watch: SkewWatch) -> None:
    target = probed()
    meter.metrics.versions.prepare(target.manifest, target.certificate)
    fill(watch, target, 0.0)
    gone = weakref.ref(target)
    del target
    gc.collect()
    assert gone() is None


def test_a_shadow_has_a_pool_of_its_own(meter: Meter, watch: SkewWatch, target: Servable) -> None:
    shadow = probed(version=2)
    meter.metrics.versions.prepare(shadow.manifest, shadow.certificate)
    watch.observe(answer(target, "a", 1))
    watch.observe(answer(shadow, "a", 1))
    watch.observe(answer(shadow, "b", 1))
    watch.settle()
    assert [watch.watched(each).pool.read().sequences for each in (target, shadow)] == [1, 2]


def kept(watch: SkewWatch, target: Servable) -> dict[str, list[float]]:
    watch.settle()
    return {each.sequence_id: each.joined()[:, 0].tolist() for each in watch.watched(target).kept.look()}


def test_chunks_are_joined_and_the_oldest_sequence_goes_first(watch: SkewWatch, target: Servable) -> None:
    watch.observe(answer(target, "a", 1, 2))
    watch.observe(answer(target, "b", 5))
    watch.observe(answer(target, "a", 3, first_frame=2, state=3))
    assert kept(watch, target) == {"a": [1, 2, 3], "b": [5]}
    first = watch.watched(target).kept.look()[0]
    assert first.prediction_ids == ("a@0", "a@2")
    assert first.first_seen <= first.last_seen
    watch.observe(answer(target, "c", 7))
    assert kept(watch, target) == {"b": [5], "c": [7]}


def test_a_gap_ends_a_kept_sequence_and_one_without_a_beginning_is_not_kept(watch: SkewWatch, target: Servable) -> None:
    watch.observe(answer(target, "a", 1))
    watch.observe(answer(target, "a", 3, first_frame=2, state=3))
    watch.observe(answer(target, "a", 2, first_frame=1, state=1))
    watch.observe(answer(target, "late", 2, first_frame=1, state=1))
    watch.observe(answer(target, "brought", 2, state=1))
    assert kept(watch, target) == {"a": [1]}


def test_bytes_are_bounded_and_no_sequence_takes_them_all(meter: Meter, target: Servable) -> None:
    policy = replace(POLICY, max_kept_bytes=8 * (PIECE_BYTES + 40))
    with SkewWatch(policy, meter.metrics.skew, meter.metrics.trust, meter.failures) as watch:
        watch.observe(answer(target, "long", *[1.0] * 6))
        watch.observe(answer(target, "long", *[2.0] * 6, first_frame=6, state=6))  # over an eighth of all bytes
        watch.observe(answer(target, "too long", *[1.0] * 12))
        assert kept(watch, target) == {"long": [1.0] * 6}


def test_nothing_is_kept_unless_it_is_wanted(meter: Meter, target: Servable) -> None:
    policy = SkewPolicy(ratio=1.0, half_life_seconds=60.0)
    with SkewWatch(policy, meter.metrics.skew, meter.metrics.trust, meter.failures) as watch:
        watch.observe(answer(target, "a", 1))
        assert kept(watch, target) == {}
