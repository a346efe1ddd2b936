from __future__ import annotations

import numpy as np
import pytest
import torch

from claims.catalogue import CLAIMS
from claims.experiments.padding.padded_statistics import with_padding
from claims.judged import judged
from claims.verdict import Judgement, Verdict
from models.config import TaskSpec, TCNConfig
from models.data import Split
from models.training import BatchStatistics, Checkpoint
from models.zoo import build

_WOBBLE = (0.0, 0.001, -0.001, 0.002, -0.002)  # of five seeds


def _unequal(batch: float, *, other: int = 0, counted: float = 0.5) -> Judgement:
    measured = [
        {
            "batch": batch + wobble,
            "layer": 0.9,
            "padding_counted": counted + wobble,
            "other_answers": other,
            "finite": True,
            "lengths": [6, 92],
        }
        for wobble in _WOBBLE
    ]
    return judged(CLAIMS[10], range(5), measured).judgement


@pytest.mark.parametrize(
    ("batch", "other", "verdict"),
    [
        (0.9, 1, Verdict.SUPPORTED),
        (0.9, 0, Verdict.REFUTED),
        (0.8, 0, Verdict.DEPENDS),
        (0.89, 0, Verdict.NOT_SHOWN),
    ],
)
def test_whether_unequal_lengths_train_and_serve_decides(batch: float, other: int, verdict: Verdict) -> None:
    assert _unequal(batch, other=other).verdict is verdict


def test_where_counted_padding_costs_nothing_unequal_lengths_show_nothing() -> None:
    assert _unequal(0.9, counted=0.9).reason == "control"


def _counted(naive: float, masked: float, *, precise: float = 0.9) -> Judgement:
    measured = [
        {
            "precise": precise,
            "unpadded": 0.9,
            "naive": {"0.25": 0.9, "0.5": naive + wobble, "0.75": 0.5},
            "masked": masked + wobble,
            "formula": 1e-7,
        }
        for wobble in _WOBBLE
    ]
    return judged(CLAIMS[11], range(5), measured).judgement


@pytest.mark.parametrize(
    ("naive", "masked", "verdict"),
    [
        (0.8, 0.8, Verdict.SUPPORTED),
        (0.9, 0.9, Verdict.REFUTED),
        (0.8, 0.9, Verdict.DEPENDS),
        (0.89, 0.9, Verdict.NOT_SHOWN),
    ],
)
def test_what_padding_costs_decides(naive: float, masked: float, verdict: Verdict) -> None:
    assert _counted(naive, masked).verdict is verdict


def test_where_retaken_statistics_are_others_padding_shows_nothing() -> None:
    assert _counted(0.8, 0.9, precise=0.95).reason == "control"


def _fixed(ratio: float, *, other: int = 0, equal: float = 1.0) -> Judgement:
    measured = [
        {
            "ratio": {"fixed": ratio + wobble, "in_order": 1.2, "alone": 3.0},
            "equal_ratio": equal + wobble,
            "padding": {"fixed": 0.8, "in_order": 0.4, "sorted": 0.1},
            "other_answers": other,
            "accuracy": 0.9,
            "cut_accuracy": 0.9,
        }
        for wobble in (0.0, 0.01, -0.01, 0.02, -0.02)
    ]
    return judged(CLAIMS[25], range(5), measured).judgement


@pytest.mark.parametrize(
    ("ratio", "other", "verdict"),
    [
        (2.0, 3, Verdict.SUPPORTED),
        (1.0, 0, Verdict.SUPPORTED),
        (2.0, 0, Verdict.REFUTED),
        (1.05, 0, Verdict.NOT_SHOWN),
    ],
)
def test_what_a_fixed_length_costs_decides(ratio: float, other: int, verdict: Verdict) -> None:
    assert _fixed(ratio, other=other).verdict is verdict


def test_where_equal_lengths_take_different_times_a_fixed_length_shows_nothing() -> None:
    assert _fixed(2.0, equal=1.5).reason == "control"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """An untrained model with one BatchNorm."""
    task = TaskSpec(name="digits", frames="features", labels=("a", "b"), feature_count=3)
    config = TCNConfig(channels=4, blocks=1, norm="batch")
    torch.manual_seed(0)
    weights = build(task, "tcn", config).state_dict()
    none = torch.zeros(4)
    moments = BatchStatistics(ema_mean=none, ema_variance=none, precise_mean=none, precise_variance=none, frames=0)
    return Checkpoint(
        task=task,
        architecture="tcn",
        config=config,
        weights=weights,
        seed=0,
        epochs=1,
        best_epoch=1,
        sequences=1,
        min_frames=1,
        max_frames=1,
        validation_accuracy=0.0,
        data_sha256="",
        statistics={"body.blocks.0.norm": moments},
    )


def test_padding_changes_statistics_only_where_it_is_counted(checkpoint: Checkpoint) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.normal(size=(length, 3)).astype(np.float32) for length in (4, 6, 6)]
    split = Split(sequences=frames, labels=np.zeros(3, np.int64))
    name = "body.blocks.0.norm.running_var"
    none, naive, masked = (
        with_padding(checkpoint, split, share, masked=mask).weights[name]
        for share, mask in ((0.0, False), (0.5, False), (0.5, True))
    )
    torch.testing.assert_close(masked, none)
    assert not torch.allclose(naive, none)
