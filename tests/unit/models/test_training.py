"""Training: what a seed fixes, when it stops, and what it learns from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models import zoo
from models.config import LSTMConfig, ModelConfig, TCNConfig, TransformerConfig
from models.data import Dataset
from models.training import Checkpoint, Epoch, parts, recipes, train
from models.training.evaluation import predict, score
from models.training.validation import divide

TCN = TCNConfig(channels=8, blocks=2)
LSTM = LSTMConfig(hidden=8)
TRANSFORMER = TransformerConfig(width=8, heads=2, layers=1, window=8, tile=4)
SMALL: list[ModelConfig] = [TCN, dataclasses.replace(TCN, norm="batch"), dataclasses.replace(LSTM, norm="batch")]
SMALL += [dataclasses.replace(LSTM, norm="batch_step"), dataclasses.replace(TRANSFORMER, norm="batch_ffn")]


def trained(dataset: Dataset, config: ModelConfig = TCN, seed: int = 0, epochs: int = 2) -> Checkpoint:
    return train(dataset, config.architecture, config, seed, epochs)


@pytest.mark.parametrize("config", SMALL, ids=lambda config: f"{config.architecture}-{config.norm}")
def test_the_seed_fixes_every_bit(dataset: Dataset, config: ModelConfig) -> None:
    first = trained(dataset, config, seed=1)
    torch.rand(3)  # whatever was drawn before has no influence
    assert trained(dataset, config, seed=1).digest == first.digest
    assert trained(dataset, config, seed=2).digest != first.digest


@pytest.mark.parametrize(
    ("config", "norm"),
    [(config, norm) for config in (LSTM, TCN, TRANSFORMER) for norm in zoo.norms(config.architecture)],
    ids=lambda value: value if isinstance(value, str) else value.architecture,
)
def test_every_normaliser_trains(dataset: Dataset, config: ModelConfig, norm: str) -> None:
    checkpoint = trained(dataset, zoo.with_norm(config, norm))
    assert np.isfinite(predict(checkpoint.model(), dataset.test)).all()
    assert bool(checkpoint.statistics) == norm.startswith("batch")


def test_the_validation_part_can_be_had_again(dataset: Dataset) -> None:
    checkpoint = trained(dataset, dataclasses.replace(TCN, norm="batch"), seed=3)
    part, validation = parts(dataset, checkpoint.architecture, np.random.default_rng(checkpoint.seed))
    assert len(part) + len(validation) == len(dataset.train)
    assert score(checkpoint.model(), validation).accuracy == checkpoint.validation_accuracy


def test_threads_do_not_change_a_bit(dataset: Dataset) -> None:
    threads, first = torch.get_num_threads(), trained(dataset)
    try:
        torch.set_num_threads(2)
        assert trained(dataset).digest == first.digest
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_callers_random_numbers_are_left_alone(dataset: Dataset) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(dataset)
    assert torch.equal(torch.rand(3), expected)


def test_it_learns(dataset: Dataset) -> None:
    checkpoint = trained(dataset, epochs=20)
    assert score(checkpoint.model(), dataset.test).accuracy >= 0.9


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("sequences", [2, 16, 20])
def test_few_steps_are_no_special_case(dataset: Dataset, sequences: int, epochs: int) -> None:
    few = dataclasses.replace(dataset, train=dataset.train.select(range(sequences)))
    assert trained(few, epochs=epochs).epochs == epochs


def test_the_held_out_split_has_no_influence(dataset: Dataset) -> None:
    other = dataclasses.replace(dataset, test=dataset.test.select([0]))
    assert trained(other).digest == trained(dataset).digest


def test_scaling_is_learned_on_the_training_part(dataset: Dataset) -> None:
    part, _ = divide(dataset.train, recipes.recipe("ramps", "tcn").validation, np.random.default_rng(0))
    frames_NC = np.concatenate(part.sequences)
    front = trained(dataset, seed=0, epochs=1).model().front
    np.testing.assert_allclose(front.mean.numpy(), frames_NC.mean(axis=0), rtol=1e-5)  # type: ignore[operator]
    np.testing.assert_allclose(front.deviation.numpy(), frames_NC.std(axis=0), rtol=1e-5)  # type: ignore[operator]


def test_a_constant_feature_is_harmless(dataset: Dataset) -> None:
    constant = [np.concatenate([s, np.full((len(s), 1), 3, np.float32)], axis=1) for s in dataset.train.sequences]
    wider = dataclasses.replace(
        dataset,
        spec=dataclasses.replace(dataset.spec, feature_count=3),
        train=dataclasses.replace(dataset.train, sequences=constant),
    )
    assert np.isfinite(predict(trained(wider).model(), wider.train)).all()


def test_it_stops_when_validation_no_longer_improves(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    # A rate that throws the weights about: soon no epoch is better than the best one.
    wild = dataclasses.replace(recipes.FALLBACK, epochs=200, patience=3, learning_rate=3.0)
    monkeypatch.setitem(recipes.TASKS, "ramps", wild)
    reported: list[Epoch] = []
    checkpoint = train(dataset, "tcn", TCN, 0, progress=reported.append)
    losses = [epoch.validation.loss for epoch in reported]
    assert len(reported) == checkpoint.epochs == checkpoint.best_epoch + 3 < 200
    assert losses.index(min(losses)) + 1 == checkpoint.best_epoch


def test_the_weights_are_those_of_the_best_epoch(dataset: Dataset) -> None:
    reported: list[Epoch] = []
    checkpoint = train(dataset, "tcn", TCN, 0, 6, reported.append)
    _, validation = divide(dataset.train, recipes.FALLBACK.validation, np.random.default_rng(0))
    best = min(reported, key=lambda epoch: epoch.validation.loss)
    assert score(checkpoint.model(), validation) == best.validation


def test_a_sequences_answer_does_not_depend_on_its_batch(dataset: Dataset) -> None:
    model = trained(dataset).model()
    together = predict(model, dataset.test)
    alone = np.concatenate([predict(model, dataset.test.select([i])) for i in range(len(dataset.test))])
    np.testing.assert_allclose(together, alone, atol=1e-5)
