from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from claims.catalogue import CLAIMS
from claims.experiments.batch_independence.answers import distance, total
from claims.verdict import Verdict

_SIZES = ("2", "3", "4", "8", "16", "32", "64")


def _apart(differing: int = 0, absolute: float = 0.0) -> dict[str, float]:
    return {"differing": differing, "compared": 100, "ulp": 1, "absolute": absolute, "flipped": 0, "asked": 10}


def _mates(layer: dict[str, float], control: dict[str, float]) -> dict[str, Any]:
    models = {"vowels-tcn-layer": layer, "vowels-tcn-layer-int8-dynamic": control, "vowels-tcn-batch_current": control}
    kinds = ("ordinary", "reordered", "loud")
    engine = {name: {kind: dict.fromkeys(_SIZES, each) for kind in kinds} for name, each in models.items()}
    return {"engine": engine, "grpc": models, "batch_size": dict.fromkeys(models, 8.0)}


def _modes(layer: dict[str, float], control: dict[str, float]) -> dict[str, Any]:
    models = {"vowels-tcn-layer": layer, "vowels-tcn-batch": control}
    return {"torch": models, "engine": models, "grpc": models}


def _length(norm: dict[str, float], causal: dict[str, float], control: dict[str, float]) -> dict[str, Any]:
    models = {"vowels-tcn-layer": causal, "vowels-encoder-layer": _apart(50, 1.0), "vowels-tcn-instance": control}
    return {"norm": {"vowels-tcn-layer": norm}, "prefix": models, "padding": models, "grpc": models}


_FAR = _apart(50, 1.0)


@pytest.mark.parametrize(
    ("layer", "verdict"),
    [(_apart(), Verdict.SUPPORTED), (_apart(1, 1e-7), Verdict.DEPENDS), (_FAR, Verdict.REFUTED)],
)
def test_bits_decide_on_mates_and_on_modes(layer: dict[str, float], verdict: Verdict) -> None:
    mates, modes = CLAIMS[5].judge([_mates(layer, _FAR)] * 2), CLAIMS[13].judge([_modes(layer, _FAR)] * 2)
    assert (mates.verdict, modes.verdict) == (verdict, verdict)
    assert mates.control.held
    assert modes.control.held


def test_a_control_that_keeps_its_bits_shows_nothing() -> None:
    assert not CLAIMS[5].judge([_mates(_apart(), _apart())]).control.held
    assert not CLAIMS[13].judge([_modes(_apart(), _apart())]).control.held
    assert not CLAIMS[16].judge([_length(_apart(), _apart(), _apart())]).control.held


def test_the_control_has_to_differ_in_each_comparison_of_modes() -> None:
    measured = _modes(_apart(), _FAR)
    measured["torch"] = {"vowels-tcn-layer": _apart(), "vowels-tcn-batch": _apart()}
    assert not CLAIMS[13].judge([measured]).control.held


@pytest.mark.parametrize(
    ("norm", "causal", "verdict"),
    [
        (_apart(), _apart(), Verdict.SUPPORTED),
        (_apart(), _apart(1, 1e-7), Verdict.DEPENDS),
        (_apart(1, 1e-7), _apart(), Verdict.REFUTED),
    ],
)
def test_the_layer_decides_on_length_before_the_models(
    norm: dict[str, float], causal: dict[str, float], verdict: Verdict
) -> None:
    judgement = CLAIMS[16].judge([_length(norm, causal, _FAR)])
    assert judgement.verdict is verdict
    assert judgement.control.held


def test_distances_count_bits_and_classes() -> None:
    expected = [np.array([[1.0, 2.0]], np.float32), np.array([[3.0, 0.0]], np.float32)]
    found = [np.array([[1.0, 2.0]], np.float32), np.array([[3.0, 4.0]], np.float32)]
    apart = distance(expected, found)
    assert (apart["differing"], apart["compared"], apart["absolute"]) == (1, 4, 4.0)
    assert (apart["flipped"], apart["asked"]) == (1, 2)
    assert total([apart, apart])["differing"] == 2
