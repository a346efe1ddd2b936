from __future__ import annotations

from typing import Any

import pytest

from claims.catalogue import CLAIMS
from claims.experiments.batch_norm_transformers import grid
from claims.judged import judged
from claims.trained import Trained
from claims.verdict import Judgement, Verdict

CELLS = [cell.name for cell in grid.cells(quick=False)]


def _outcome(*diverged: str) -> dict[str, dict[str, Any]]:
    return {
        name: {"diverged": name in diverged, "losses": [2.0, 1.0], "validation_accuracy": 0.9, "rms": 1.0}
        for name in CELLS
    }


def _judge(number: int, *, control: bool = True, **norms: dict[str, dict[str, Any]]) -> Judgement:
    return judged(CLAIMS[number], range(2), [{"control": control, **norms}] * 2).judgement


@pytest.mark.parametrize(
    ("batch", "layer", "verdict"),
    [
        (CELLS[:4], [], Verdict.SUPPORTED),
        (CELLS[:1], [], Verdict.DEPENDS),
        ([], [], Verdict.NOT_SHOWN),
        (CELLS[:4], CELLS[:4], Verdict.NOT_SHOWN),
    ],
)
def test_divergence_counts_where_layer_norm_has_none(batch: list[str], layer: list[str], verdict: Verdict) -> None:
    judgement = _judge(19, batch=_outcome(*batch), layer=_outcome(*layer))
    assert judgement.verdict is verdict


def test_where_it_diverges_is_said() -> None:
    assert _judge(19, batch=_outcome(CELLS[3]), layer=_outcome()).values["where"] == CELLS[3]


def test_a_control_that_trains_shows_nothing() -> None:
    judgement = _judge(19, control=False, batch=_outcome(*CELLS), layer=_outcome())
    assert (judgement.verdict, judgement.reason) == (Verdict.NOT_SHOWN, "control")


@pytest.mark.parametrize(
    ("batch", "inner", "verdict"),
    [
        ([], [], Verdict.NOT_SHOWN),
        (CELLS[:2], [], Verdict.SUPPORTED),
        (CELLS[:2], CELLS[:1], Verdict.DEPENDS),
        (CELLS[:2], CELLS[:2], Verdict.REFUTED),
    ],
)
def test_ffn_bn_fixes_what_diverged(batch: list[str], inner: list[str], verdict: Verdict) -> None:
    judgement = _judge(20, batch=_outcome(*batch), batch_ffn=_outcome(*inner))
    assert judgement.verdict is verdict


@pytest.mark.parametrize(
    ("training", "serving", "verdict"),
    [(0.8, 0.8, Verdict.SUPPORTED), (1.1, 0.8, Verdict.DEPENDS), (1.1, 0.97, Verdict.REFUTED)],
)
def test_faster_is_by_a_tenth(training: float, serving: float, verdict: Verdict) -> None:
    figures = {
        "training": {"layer": 1.0, "batch": 1.0, "batch_ffn": training, "deeper": 1.9},
        "serving": {"layer": 1.0, "batch": 1.0, "batch_ffn": serving, "deeper": 1.9},
    }
    assert judged(CLAIMS[21], range(2), [figures] * 2).judgement.verdict is verdict


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [([2.0, 0.4], False), ([2.0, float("nan")], True), ([2.0, float("inf"), 1.0], True), ([2.0, 2.4], True)],
)
def test_what_counts_as_diverged(losses: list[float], diverged: bool) -> None:
    run = Trained(
        checkpoint=None,  # type: ignore[arg-type]  # not looked at
        losses=losses,
        validation_losses=losses,
        validation_accuracies=[0.1] * len(losses),
        seconds=1.0,
    )
    assert grid.diverged(run, classes=10) is diverged
