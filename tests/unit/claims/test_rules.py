"""The rules of the claims whose experiment is one module: what verdict which figures make."""

from __future__ import annotations

from typing import Any

import pytest

from claims.catalogue import CLAIMS
from claims.judged import judged
from claims.verdict import Verdict

SUPPORTED, REFUTED, DEPENDS, NOT_SHOWN = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.DEPENDS, Verdict.NOT_SHOWN
TASKS = ("vowels", "digits", "languages")
ARCHITECTURES = ("lstm", "tcn", "transformer")
CELLS = [f"{task}-{architecture}" for task in TASKS for architecture in ARCHITECTURES]


def _verdict(number: int, *measured: dict[str, Any]) -> Verdict:
    return judged(CLAIMS[number], range(len(measured)), measured).judgement.verdict


def _growth(**last: float) -> dict[str, Any]:
    starts = ("small", "glorot", "he", "large")
    cases = [f"{c} {s} {n}" for c in ("plain", "residual") for s in starts for n in ("none", "layer", "batch")]
    return {case: [1.0, *[last.get(case.replace(" ", "_"), 1.0)] * 31] for case in cases}


def test_growth_depends_on_the_start() -> None:
    grown = {f"plain_{start}_none": 9.0 for start in ("small", "glorot", "he", "large")}
    assert _verdict(2, _growth(**grown), _growth(**grown)) is SUPPORTED
    assert _verdict(2, _growth(plain_large_none=9.0), _growth(plain_large_none=8.0)) is DEPENDS
    assert _verdict(2, _growth(), _growth()) is REFUTED
    assert _verdict(2, _growth(plain_large_layer=9.0)) is NOT_SHOWN


def _shift(none: float, batch: float, noisy: float, *, moved: float = 3.0) -> dict[str, Any]:
    area = {"none": none, "batch": batch, "noisy": noisy}
    return {
        name: {"losses": [value], "area": value, "accuracy": 0.9, "instability": moved if name == "noisy" else 1.0}
        for name, value in area.items()
    }


@pytest.mark.parametrize(
    ("areas", "verdict"),
    [
        ((2.0, 1.0, 1.1), REFUTED),
        ((2.0, 1.0, 2.1), SUPPORTED),
        ((2.0, 1.0, 1.8), DEPENDS),
        ((1.0, 1.1, 1.2), NOT_SHOWN),
    ],
)
def test_shift_is_what_helps_if_noise_takes_the_help_away(areas: tuple[float, ...], verdict: Verdict) -> None:
    assert _verdict(3, _shift(*areas)) is verdict


def test_noise_that_moves_nothing_shows_nothing() -> None:
    assert _verdict(3, _shift(2.0, 1.0, 1.1, moved=0.9)) is NOT_SHOWN


def _grid(difference: dict[str, float], *, short: float = 0.5) -> dict[str, Any]:
    batch = {cell: 0.9 + difference.get(cell, 0.0) for cell in CELLS}
    return {"layer": dict.fromkeys(CELLS, 0.9), "batch": batch, "short": short}


@pytest.mark.parametrize(
    ("ahead", "behind", "verdict"),
    [(5, 4, SUPPORTED), (4, 1, DEPENDS), (2, 2, REFUTED), (0, 0, REFUTED)],
)
def test_usually_is_more_than_half(ahead: int, behind: int, verdict: Verdict) -> None:
    better = dict.fromkeys(CELLS[:ahead], 0.02)
    worse = dict.fromkeys(CELLS[ahead : ahead + behind], -0.02)
    assert _verdict(9, _grid(better | worse), _grid(better | worse)) is verdict


def test_a_short_training_that_is_as_good_shows_nothing() -> None:
    assert _verdict(9, _grid({}, short=0.95)) is NOT_SHOWN


def test_convolutions_are_the_reason_only_if_nothing_else_is_as_good() -> None:
    tcn, lstm = ({f"{task}-{architecture}": 0.02 for task in TASKS} for architecture in ("tcn", "lstm"))
    assert _verdict(23, _grid(tcn)) is SUPPORTED
    assert _verdict(23, _grid(tcn | lstm)) is DEPENDS
    assert _verdict(23, _grid(lstm)) is REFUTED


def _losses(none: float, layer: float, detached: float) -> dict[str, Any]:
    loss = {"vowels none": none, "vowels layer": layer, "vowels detached": detached}
    return {"loss": loss, "accuracy": dict.fromkeys(loss, 0.9), "forward": 1e-7}


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ((1.0, 0.5, 0.9), SUPPORTED),
        ((1.0, 0.5, 0.6), DEPENDS),
        ((1.0, 0.5, 0.5), REFUTED),
        ((0.5, 0.6, 0.9), NOT_SHOWN),
    ],
)
def test_gradients_are_the_larger_part_or_not(losses: tuple[float, ...], verdict: Verdict) -> None:
    assert _verdict(29, _losses(*losses)) is verdict


def _fluctuations(text: float, *, independent: float = 1.0, gradient: float | None = None) -> dict[str, Any]:
    one = {"mean": 1.0, "variance": 1.0, "gradient": 1.0, "independent": independent}
    of_text = {**one, "mean": text, "variance": text, "gradient": text if gradient is None else gradient}
    return {"languages": of_text, "vowels": one, "digits": one}


def test_text_fluctuates_more_or_not() -> None:
    assert _verdict(30, _fluctuations(2.0)) is SUPPORTED
    assert _verdict(30, _fluctuations(2.0, gradient=0.5)) is DEPENDS
    assert _verdict(30, _fluctuations(0.5)) is REFUTED
    assert _verdict(30, _fluctuations(2.0, independent=1.5)) is NOT_SHOWN


def _benefit(*, left: int, noise: float) -> dict[str, Any]:
    return {
        "layer": {"left": 3, "operators": 3, "noise": 0.0},
        "batch": {"left": left, "operators": left, "noise": noise},
    }


def test_benefits_that_only_one_has() -> None:
    assert _verdict(31, _benefit(left=0, noise=0.3)) is REFUTED
    assert _verdict(31, _benefit(left=3, noise=0.3)) is DEPENDS
    assert _verdict(31, _benefit(left=3, noise=0.0)) is SUPPORTED


def _means(features: float, positions: float, *, steps: float = 0.0) -> dict[str, Any]:
    return {
        "numbers": 13,
        "features": 13,
        "from_features": features,
        "from_positions": positions,
        "steps_from_positions": steps,
        "steps_from_features": 0.2,
    }


def test_a_channel_is_what_the_means_are_of() -> None:
    assert _verdict(4, _means(0.0, 0.2)) is REFUTED
    assert _verdict(4, _means(0.2, 0.0)) is SUPPORTED
    assert _verdict(4, _means(0.2, 0.2)) is DEPENDS
    assert _verdict(4, _means(0.0, 0.2, steps=0.1)) is NOT_SHOWN


def _gains(spread: float, *, fresh: float = 0.0) -> dict[str, Any]:
    return {"spread": spread, "fresh": fresh, "gains_per_feature": 1.0}


def test_gains_that_differ_are_more_than_one_transform() -> None:
    assert _verdict(6, _gains(0.3), _gains(0.31)) is REFUTED
    assert _verdict(6, _gains(0.02), _gains(0.02)) is DEPENDS
    assert _verdict(6, _gains(0.001), _gains(0.001)) is SUPPORTED
    assert _verdict(6, _gains(0.3, fresh=0.1)) is NOT_SHOWN


def _unlike(layer: float, *, standardised: float = 0.9, scaled_batch: float = 0.9) -> dict[str, Any]:
    shares = {
        "raw_layer": layer,
        "raw_batch": scaled_batch,
        "standardised_layer": standardised,
        "alike_batch": 0.9,
    }
    return {variant: {"vowels": share} for variant, share in shares.items()}


def test_unlike_features_hurt_if_layer_norm_is_behind_both() -> None:
    assert _verdict(7, _unlike(0.8)) is SUPPORTED
    assert _verdict(7, _unlike(0.8, standardised=0.8)) is DEPENDS
    assert _verdict(7, _unlike(0.9)) is REFUTED
    assert _verdict(7, _unlike(0.7, scaled_batch=0.8)) is NOT_SHOWN


def _order(*, plain: float = 1.0, trained: float = 1.0, other: float = 0.5, shuffled: float = 0.5) -> dict[str, Any]:
    kept, lost = {"layer": "within", "batch": "across"}, {"layer": "across", "batch": "within"}
    return {
        norm: {
            f"{kept[norm]} plain": plain,
            f"{kept[norm]} trained": trained,
            f"{lost[norm]} plain": other,
            f"{lost[norm]} trained": other,
            "shuffled": shuffled,
        }
        for norm in ("layer", "batch")
    }


def test_order_is_kept_and_destroyed_or_only_kept() -> None:
    assert _verdict(8, _order()) is SUPPORTED
    assert _verdict(8, _order(other=0.9)) is DEPENDS
    assert _verdict(8, _order(trained=0.9)) is DEPENDS
    assert _verdict(8, _order(plain=0.9, trained=0.9)) is REFUTED
    assert _verdict(8, _order(shuffled=0.7)) is NOT_SHOWN


def _time(left: float, *, moved: float = 0.0, instance: float = 1.0) -> dict[str, Any]:
    return {"layer": {"moved": moved, "level_left": left}, "instance": {"moved": instance, "level_left": 0.5}}


def test_variation_in_time_is_kept_or_not() -> None:
    assert _verdict(12, _time(1e-9)) is REFUTED
    assert _verdict(12, _time(0.9)) is SUPPORTED
    assert _verdict(12, _time(0.2)) is DEPENDS
    assert _verdict(12, _time(1e-9, instance=0.0)) is NOT_SHOWN


def _tests(batch: int, *, group: int = 0) -> dict[str, Any]:
    return {
        "layer": dict.fromkeys("abcde", False),
        "batch": {test: number < batch for number, test in enumerate("abcde")},
        "group": {test: number < group for number, test in enumerate("abcde")},
    }


def test_one_further_difference_refutes_that_there_is_none() -> None:
    assert _verdict(32, _tests(1), _tests(2)) is REFUTED
    assert _verdict(32, _tests(0), _tests(1)) is DEPENDS
    assert _verdict(32, _tests(0)) is SUPPORTED
    assert _verdict(32, _tests(3, group=1)) is NOT_SHOWN


def _speed(folded: float, unfolded: float, *, deeper: float = 1.8) -> dict[str, Any]:
    one = {"none": 0.8, "layer": 1.0, "rms": 0.9, "dyt": 0.9, "batch, folded": folded, "batch, unfolded": unfolded}
    return {"lstm": one, "tcn": {**one, "deeper": deeper}, "transformer": one}


def test_faster_folded_and_unfolded_or_only_folded() -> None:
    assert _verdict(17, _speed(0.8, 0.9), _speed(0.81, 0.9)) is SUPPORTED
    assert _verdict(17, _speed(0.8, 1.0), _speed(0.81, 1.0)) is DEPENDS
    assert _verdict(17, _speed(0.97, 1.0), _speed(0.97, 1.0)) is REFUTED
    assert _verdict(17, _speed(0.8, 0.9, deeper=1.0)) is NOT_SHOWN


def _int8(none: float, layer: float, batch: float, *, dynamic: int = 9) -> dict[str, Any]:
    def apart(differing: int) -> dict[str, float]:
        return {"differing": differing, "compared": 100, "flipped": 0, "asked": 10, "ulp": 0, "absolute": 0.1}

    mates = {"static": apart(0), "dynamic": apart(dynamic)}
    lost = {"none": none, "layer": layer, "batch": batch}
    names = {norm: f"vowels-lstm-{norm}" for norm in lost}
    return {
        "accuracy": {names[n]: {"float32": 0.9, "static": 0.9 - lost[n], "dynamic": 0.8} for n in lost},
        "engine": dict.fromkeys(names.values(), mates),
        "grpc": dict.fromkeys(names.values(), mates),
    }


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [
        ((0.05, 0.01, 0.01), SUPPORTED),
        ((0.05, 0.01, 0.06), DEPENDS),
        ((0.05, 0.06, 0.06), REFUTED),
        ((0.005, 0.0, 0.0), NOT_SHOWN),
    ],
)
def test_a_normaliser_helps_if_less_is_lost(lost: tuple[float, float, float], verdict: Verdict) -> None:
    assert _verdict(28, _int8(*lost)) is verdict


def test_dynamic_scales_that_keep_bits_show_nothing() -> None:
    assert _verdict(28, _int8(0.05, 0.01, 0.01, dynamic=0)) is NOT_SHOWN


def _streams(*, instance: int, accuracy: float = 0.9, encoder: int = 5) -> dict[str, Any]:
    def apart(differing: int) -> dict[str, float]:
        return {"accuracy": accuracy, "differing": differing, "compared": 10}

    same = {f"tcn-{norm}": apart(0) for norm in ("batch", "layer", "group")}
    return {"guess": 0.2, **same, "tcn-instance": apart(instance), "encoder-layer": apart(encoder)}


def test_four_that_need_no_future_or_do() -> None:
    assert _verdict(33, _streams(instance=0)) is SUPPORTED
    assert _verdict(33, _streams(instance=3)) is DEPENDS
    assert _verdict(33, _streams(instance=0, accuracy=0.1)) is REFUTED
    assert _verdict(33, _streams(instance=0, encoder=0)) is NOT_SHOWN
