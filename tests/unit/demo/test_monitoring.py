"""What the monitoring demonstration makes of its figures: intervals, crossings, what is missing, and its page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.monitoring_cost import Ratios
from demo.environment import this_environment
from demo.monitoring import verdict
from demo.monitoring.interval import Interval
from demo.monitoring.offline import OfflineResult, shifted
from demo.monitoring.plan import BATCH, LAYER, OFFLINE_SHIFTS, Plan
from demo.monitoring.report_page import page
from demo.monitoring.result import Live, Matured, Phase, Proposal, Report, SkewPoint
from demo.monitoring.summary import crossings, live_rows, offline_rows
from models.data import load

PLAN = Plan(seeds=(0, 1), live_shifts=("gain 2",))
ROLES = {BATCH: "batch", LAYER: "layer"}


def matured(seed: int, version: int, correct: int) -> Matured:
    return Matured(
        seed=seed,
        version=version,
        role=ROLES[version],
        answers=100,
        labelled=80,
        correct=correct,
        labels=80,
        estimated_accuracy=0.9,
        calibration_error=0.1,
        coverage_at_end=0.5,
    )


def phase(letter: str, begin: float, shift: str = "none") -> Phase:
    return Phase(
        letter=letter,
        title="as trained",
        shift=shift,
        begin_seconds=begin,
        end_seconds=begin + 10,
        sent=200,
        answered=200,
        refused={},
        outcomes={"joined": 160},
        matured=[matured(seed, version, 60 + 10 * seed) for seed in PLAN.seeds for version in ROLES],
    )


def point(seed: int, at_seconds: float, mean_tid: float) -> SkewPoint:
    thresholds = {"mean_tid": 0.1, "variance_tid": 0.1, "divergence_nats": 0.1}
    figures = {"mean_tid": mean_tid, "variance_tid": 0.05, "divergence_nats": 0.05}
    return SkewPoint(
        seed=seed,
        version=BATCH,
        at_seconds=at_seconds,
        layer="body.blocks.0.norm",
        figures=figures,
        thresholds=thresholds,
        crossed=mean_tid > 0.1,
    )


def cost(name: str, ratio: float) -> Ratios:
    return Ratios(
        name=name,
        cpu_ms=1.0,
        cpu_ratio=ratio,
        least_cpu_ratio=ratio - 0.1,
        largest_cpu_ratio=ratio + 0.1,
        p50_ratio=1.0,
        p99_ratio=1.0,
        failed=0,
    )


@pytest.fixture
def report() -> Report:
    offline = [
        OfflineResult(seed=seed, shift=shift, sequences=100, layer=90, batch=80, recalibrated=85 + seed, single_pass=70)
        for seed in PLAN.seeds
        for shift in OFFLINE_SHIFTS
    ]
    calm = [point(seed, at, 0.02) for seed in PLAN.seeds for at in (1.0, 5.0)]
    loud = [point(0, 11.0, 0.02), point(0, 13.0, 0.3), point(0, 15.0, 0.4), point(1, 12.0, 0.05)]
    proposals = [
        Proposal(seed=seed, version=3, shift="gain 2", sequences=50, gates=["passed  lower skew: x"], passed=True)
        for seed in PLAN.seeds
    ]
    live = Live(phases=[phase("A", 0.0), phase("B1", 10.5, "gain 2")], skew=calm + loud, proposals=proposals)
    environment = this_environment()
    return Report(
        seeds=[0, 1],
        plan=PLAN.as_json(),
        offline=offline,
        live=live,
        costs=[cost("unwatched", 1.0), cost("prediction log", 1.25)],
        seconds=1,
        server_exit_code=0,
        environment=environment,
    )


def test_the_interval_is_students() -> None:
    # Mean 3, deviation 1.5811, t(4) = 2.776: 2.776 * 1.5811 / sqrt(5)
    interval = Interval.of([1, 2, 3, 4, 5])
    assert interval is not None
    assert interval.mean == 3
    assert interval.half_width == pytest.approx(1.963, abs=1e-3)
    assert Interval.of([0.5]) == Interval(mean=0.5, half_width=None, count=1)
    assert Interval.of([]) is None


def test_a_row_tells_the_gain_seed_by_seed(report: Report) -> None:
    rows = offline_rows(report.offline)
    assert [row.shift for row in rows] == list(OFFLINE_SHIFTS)
    assert rows[0].accuracy["recalibrated"].mean == pytest.approx(0.855)
    assert rows[0].gain.mean == pytest.approx(0.055)


def test_estimated_less_matured_accuracy(report: Report) -> None:
    row = next(row for row in live_rows(report.live) if row.role == "batch")
    assert row.matured is not None
    assert row.matured.mean == pytest.approx((60 / 80 + 70 / 80) / 2)
    assert row.gap is not None
    assert row.gap.mean == pytest.approx(0.9 - row.matured.mean)
    assert row.coverage is not None
    assert row.coverage.mean == pytest.approx(0.8)


def test_crossings_are_counted_by_phase(report: Report) -> None:
    calm, loud = crossings(report.live)
    assert (calm.seeds, calm.at_begin, calm.at_end, calm.after_seconds) == (2, 0, 0, None)
    assert (loud.layer, loud.role, loud.seeds, loud.at_begin, loud.at_end) == ("blocks.0", "batch", 2, 0, 1)
    assert loud.after_seconds is not None
    assert loud.after_seconds.mean == pytest.approx(2.5)


def test_all_measured_is_no_failure_however_bad(report: Report) -> None:
    assert verdict.failures(PLAN, report.offline, report.live, report.costs, 0) == []


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"skew": []}, "seed 0: no skew was seen"),
        ({"proposals": []}, "seed 0, gain 2: not recalibrated"),
    ],
)
def test_what_is_missing_of_the_live_part_is_a_failure(report: Report, change: dict[str, Any], reported: str) -> None:
    assert reported in verdict.failures(PLAN, report.offline, replace(report.live, **change), report.costs, 0)


def test_missing_labels_requests_and_shifts_are_failures(report: Report) -> None:
    bare = replace(matured(0, BATCH, 0), labels=0, estimated_accuracy=None)
    broken = replace(phase("A", 0.0), matured=[bare], answered=190)
    found = verdict.failures(PLAN, report.offline[1:], replace(report.live, phases=[broken]), [], 1)
    assert found == [
        "seed 0, none: not measured offline",
        "phase A: seed 1 has no figures",
        "phase A, seed 0, batch: no label has joined an answer",
        "phase A, seed 0, batch: no accuracy is estimated",
        "phase A: 10 of 200 requests were not answered",
        "what watching costs was not measured",
        "the server ended with exit code 1 after SIGTERM, not 0",
    ]


def test_the_page_shows_every_shift_phase_and_gate(report: Report) -> None:
    text = page(report)
    assert text.count("<svg") == 3
    shown = ("B1 as trained", "passed  lower skew: x", "prediction log", "1.250", "All was measured.")
    for reported in (*OFFLINE_SHIFTS, *shown):
        assert reported in text
    assert "Not all was measured." in page(replace(report, failures=["something"]))


def test_shifted_frames_are_those_of_the_shift_and_labels_stay() -> None:
    held_out = load("digits").test
    double = shifted(held_out, "gain 2", seed=0)
    assert double.sequences[3].tolist() == (2 * held_out.sequences[3]).tolist()
    assert double.labels is held_out.labels
    assert shifted(held_out, "none", seed=0) is held_out
