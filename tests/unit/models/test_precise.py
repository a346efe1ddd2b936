"""Precise statistics: those of one batch that holds the whole training split."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from models import zoo
from models.config import EncoderConfig, LSTMConfig, ModelConfig, NormPlace, TCNConfig, TransformerConfig
from models.data import Dataset
from models.norm import BatchNorm, StepBatchNorm
from models.training.batches import collate
from models.training.loop import set_scaling
from models.training.observation import observed
from models.training.precise import TOLERANCE, measure, reestimate

CONFIGS: list[ModelConfig] = [
    TCNConfig(channels=8, norm="batch", dropout=0.5),
    TransformerConfig(width=8, heads=2, layers=1, window=8, tile=4, norm="batch", norm_position="post"),
    LSTMConfig(hidden=6, layers=2, norm="batch", norm_place="input"),
    EncoderConfig(width=8, heads=2, layers=1, norm="batch_ffn"),
]


def fresh(dataset: Dataset, config: ModelConfig) -> zoo.SequenceModel:
    torch.manual_seed(0)
    model = zoo.build(dataset.spec, config.architecture, config)
    set_scaling(model, dataset.train)
    return model


def norms(model: zoo.SequenceModel) -> dict[str, BatchNorm]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BatchNorm)}


def set_to_one_batch(model: zoo.SequenceModel, dataset: Dataset) -> None:
    """One batch in training mode, without dropout and with a momentum of 1."""
    batch = collate(dataset.train.sequences, dataset.train.labels)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
        if isinstance(module, BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        model(batch.x, batch.length, model.initial_state(len(batch.labels)))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.architecture)
def test_precise_statistics_are_those_of_one_batch(
    dataset: Dataset, config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.batches.FRAME_BUDGET", 40)  # so that there are many batches to merge
    model = fresh(dataset, config)
    together = copy.deepcopy(model)
    set_to_one_batch(together, dataset)
    statistics = reestimate(model, dataset.train)
    assert statistics.keys() == norms(model).keys()
    for name, norm in norms(together).items():
        torch.testing.assert_close(statistics[name].precise_mean, norm.running_mean, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(statistics[name].precise_variance, norm.running_var, atol=1e-4, rtol=1e-4)
        assert statistics[name].frames == sum(len(sequence) for sequence in dataset.train.sequences)


def test_statistics_inside_a_recurrence_are_a_fixed_point(dataset: Dataset) -> None:
    model = fresh(dataset, LSTMConfig(hidden=6, norm="batch"))
    reestimate(model, dataset.train)
    norm = norms(model)["body.layers.0.recurrent_norm"]
    again = measure(model, dataset.train, "body.layers.0.recurrent_norm")
    deviation_C = torch.sqrt(again.variance() + norm.eps)
    assert float(((norm.running_mean - again.mean_C).abs() / deviation_C).max()) < 2 * TOLERANCE
    assert float(((norm.running_var.sqrt() - again.variance().sqrt()).abs() / deviation_C).max()) < 2 * TOLERANCE


@pytest.mark.parametrize("place", ["input", "recurrent"])
def test_statistics_of_each_step_are_those_of_one_batch(
    dataset: Dataset, place: NormPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.batches.FRAME_BUDGET", 40)
    model = fresh(dataset, LSTMConfig(hidden=6, norm="batch_step", norm_place=place, norm_steps=6))
    together = copy.deepcopy(model)
    set_to_one_batch(together, dataset)
    statistics = reestimate(model, dataset.train)
    assert len(statistics) == (1 if place == "input" else 2)
    for name, found in statistics.items():
        norm = together.get_submodule(name)
        assert isinstance(norm, StepBatchNorm)
        assert norm.last == 5
        torch.testing.assert_close(found.precise_mean, norm.running_mean, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(found.precise_variance, norm.running_var, atol=1e-3, rtol=1e-3)
        assert found.frames == sum(min(len(sequence), 6) for sequence in dataset.train.sequences)


def test_statistics_of_each_step_are_those_of_what_arrives_in_eval_mode(dataset: Dataset) -> None:
    model = fresh(dataset, LSTMConfig(hidden=6, layers=2, norm="batch_step", norm_steps=6))
    reestimate(model, dataset.train)
    seen: dict[str, Tensor] = {}
    batch = collate(dataset.train.sequences, dataset.train.labels)
    with torch.no_grad(), observed(model, lambda name, x_BTC, _: seen.update({name: x_BTC})):
        model(batch.x, batch.length, model.initial_state(len(batch.labels)))
    assert len(seen) == 4
    for name, x_BTC in seen.items():
        norm = model.get_submodule(name)
        assert isinstance(norm, StepBatchNorm)
        for step in range(6):
            x_NC = x_BTC[batch.length > step, step]
            torch.testing.assert_close(norm.running_mean[step], x_NC.mean(dim=0), atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(norm.running_var[step], x_NC.var(dim=0, correction=0), atol=1e-4, rtol=1e-3)


def test_moving_averages_are_kept_beside_the_precise_ones(dataset: Dataset) -> None:
    model = fresh(dataset, CONFIGS[0])
    before = {name: norm.running_mean.clone() for name, norm in norms(model).items()}
    statistics = reestimate(model, dataset.train)
    for name, norm in norms(model).items():
        assert torch.equal(statistics[name].ema_mean, before[name])
        assert torch.equal(statistics[name].precise_mean, norm.running_mean)
        assert not torch.equal(statistics[name].precise_mean, before[name])


def test_a_model_without_batch_norm_has_no_statistics(dataset: Dataset) -> None:
    assert reestimate(fresh(dataset, TCNConfig(channels=8)), dataset.train) == {}
