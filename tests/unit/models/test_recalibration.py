"""Recalibration: statistics between the stored and the live ones, by pseudo-count; weights as they were."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from models.config import LSTMConfig, ModelConfig, TCNConfig, TransformerConfig
from models.data import Dataset, Split
from models.training import Checkpoint, recalibrated, train
from models.training.batches import collate
from models.training.observation import observed
from models.training.precise import TOLERANCE, measure, reestimate
from models.zoo import with_norm

CONFIGS: list[ModelConfig] = [
    TCNConfig(channels=8, norm="batch"),
    TransformerConfig(width=8, heads=2, layers=1, window=8, tile=4, norm="batch_ffn"),
]
TCN = CONFIGS[0]


def trained(dataset: Dataset, config: ModelConfig) -> Checkpoint:
    return train(dataset, config.architecture, config, seed=0, epochs=2)


def louder(dataset: Dataset) -> list[npt.NDArray[Any]]:
    return [2 * frames for frames in dataset.test.sequences]


def split_of(sequences: list[npt.NDArray[Any]]) -> Split:
    return Split(sequences=sequences, labels=np.zeros(len(sequences), np.int64))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.architecture)
def test_each_layer_is_blended_with_what_arrives_once_those_before_it_are(
    dataset: Dataset, config: ModelConfig
) -> None:
    before, live = trained(dataset, config), louder(dataset)
    after = recalibrated(before, live, pseudo_count=60)  # and 20 sequences: a quarter is live
    model = after.model()
    assert before.statistics
    for name in before.statistics:
        moments = measure(model, split_of(live), name)
        for statistic, found in (("running_mean", moments.mean_C), ("running_var", moments.variance())):
            stored = before.weights[f"{name}.{statistic}"]
            expected = 0.75 * stored.double() + 0.25 * found
            torch.testing.assert_close(after.weights[f"{name}.{statistic}"].double(), expected, atol=1e-4, rtol=1e-4)


def test_without_a_pseudo_count_the_statistics_are_those_of_live_traffic(dataset: Dataset) -> None:
    before, live = trained(dataset, TCN), louder(dataset)
    model = before.model()
    statistics = reestimate(model, split_of(live))
    after = recalibrated(before, live, pseudo_count=0)
    for name, expected in statistics.items():
        torch.testing.assert_close(after.weights[f"{name}.running_mean"], expected.precise_mean)
        torch.testing.assert_close(after.weights[f"{name}.running_var"], expected.precise_variance)


def test_inside_a_recurrence_the_blend_is_a_fixed_point(dataset: Dataset) -> None:
    before, live = trained(dataset, LSTMConfig(hidden=6, norm="batch")), louder(dataset)
    after = recalibrated(before, live, pseudo_count=20)
    name = "body.layers.0.recurrent_norm"
    moments = measure(after.model(), split_of(live), name)
    expected = (before.weights[f"{name}.running_mean"] + moments.mean_C) / 2
    deviation = (after.weights[f"{name}.running_var"] + 1e-5).sqrt()
    assert float(((after.weights[f"{name}.running_mean"] - expected).abs() / deviation).max()) < 2 * TOLERANCE


def test_only_statistics_change_and_it_says_how(dataset: Dataset) -> None:
    before, live = trained(dataset, TCN), louder(dataset)
    after = recalibrated(before, live, pseudo_count=20)
    changed = {name for name, weight in after.weights.items() if not torch.equal(weight, before.weights[name])}
    assert {name.rsplit(".")[-1] for name in changed} == {"running_mean", "running_var"}
    assert after.recalibration is not None
    assert dataclasses.asdict(after.recalibration) == {
        "origin_sha256": before.digest,
        "sequences": 20,
        "frames": sum(map(len, live)),
        "pseudo_count": 20.0,
    }
    assert after.digest != before.digest
    assert after.statistics == before.statistics


def test_it_is_kept_in_the_file(dataset: Dataset, tmp_path: Path) -> None:
    after = recalibrated(trained(dataset, TCN), louder(dataset), pseudo_count=20)
    after.save(tmp_path / "checkpoint.pt")
    loaded = Checkpoint.load(tmp_path / "checkpoint.pt")
    assert (loaded.recalibration, loaded.digest) == (after.recalibration, after.digest)


def test_statistics_of_each_step_are_blended_by_the_sequences_that_reach_it(dataset: Dataset) -> None:
    before = trained(dataset, LSTMConfig(hidden=6, layers=2, norm="batch_step", norm_steps=6))
    live = louder(dataset)
    after = recalibrated(before, live, pseudo_count=20)
    seen: dict[str, Tensor] = {}
    batch, model = collate(live, np.zeros(len(live), np.int64)), after.model()
    with torch.no_grad(), observed(model, lambda name, x_BTC, _: seen.update({name: x_BTC})):
        model(batch.x, batch.length, model.initial_state(len(live)))
    assert len(seen) == 4
    for name, x_BTC in seen.items():
        stored = before.weights[f"{name}.running_mean"], before.weights[f"{name}.running_var"]
        for step in range(int(before.weights[f"{name}.known"])):
            x_NC = x_BTC[batch.length > step, step]
            share = len(x_NC) / (len(x_NC) + 20)
            mean, variance = x_NC.mean(dim=0), x_NC.var(dim=0, correction=0)
            expected = stored[0][step].lerp(mean, share), stored[1][step].lerp(variance, share)
            torch.testing.assert_close(after.weights[f"{name}.running_mean"][step], expected[0], atol=1e-4, rtol=1e-3)
            torch.testing.assert_close(after.weights[f"{name}.running_var"][step], expected[1], atol=1e-4, rtol=1e-3)
        assert torch.equal(after.weights[f"{name}.known"], before.weights[f"{name}.known"])


@pytest.mark.parametrize("norm", ["layer", "batch_naive"])
def test_without_statistics_of_valid_frames_there_is_nothing_to_blend(dataset: Dataset, norm: str) -> None:
    with pytest.raises(ValueError, match=norm):
        recalibrated(trained(dataset, with_norm(LSTMConfig(hidden=4), norm)), louder(dataset), pseudo_count=1)


@pytest.mark.parametrize(("count", "pseudo_count"), [(0, 1.0), (3, -1.0), (3, float("nan"))])
def test_it_takes_sequences_and_a_count(dataset: Dataset, count: int, pseudo_count: float) -> None:
    with pytest.raises(ValueError, match="one sequence or more"):
        recalibrated(trained(dataset, TCN), louder(dataset)[:count], pseudo_count)
