from __future__ import annotations

import pytest

from claims.catalogue import CLAIMS
from claims.judged import judged
from claims.verdict import Judgement, Verdict


def _judged(batch: float, layer: float = 0.95) -> Judgement:
    """Judge accuracies with two sequences a batch; with 64 both are 0.95."""
    measured = [
        {"batch": {"2": batch + wobble, "64": 0.95}, "layer": {"2": layer, "64": 0.95}}
        for wobble in (0.0, 0.001, -0.001, 0.002, -0.002)
    ]
    return judged(CLAIMS[18], range(len(measured)), measured).judgement


@pytest.mark.parametrize(
    ("batch", "verdict"), [(0.90, Verdict.SUPPORTED), (0.95, Verdict.REFUTED), (0.94, Verdict.NOT_SHOWN)]
)
def test_what_batch_norm_loses_more_than_layer_norm_decides(batch: float, verdict: Verdict) -> None:
    assert _judged(batch).verdict is verdict


def test_where_layer_norm_loses_too_nothing_is_shown() -> None:
    assert _judged(0.80, layer=0.90).reason == "control"
