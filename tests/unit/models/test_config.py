"""Configs and tasks as JSON, and default models by name."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from models import zoo
from models.config import (
    CONFIGS,
    LSTMConfig,
    ModelConfig,
    TaskSpec,
    TransformerConfig,
    config_from_json,
    config_to_json,
    task_from_json,
    task_to_json,
)


@pytest.mark.parametrize("config", [kind() for kind in CONFIGS.values()], ids=lambda config: config.architecture)
def test_a_config_survives_json(config: ModelConfig) -> None:
    changed = dataclasses.replace(config, norm="batch_naive", dropout=0.3, embedding=7)
    assert config_from_json(config_to_json(changed)) == changed


def test_json_names_the_architecture() -> None:
    assert json.loads(config_to_json(LSTMConfig()))["architecture"] == "lstm"


def test_an_unknown_architecture_or_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        config_from_json('{"architecture": "gru"}')
    with pytest.raises(TypeError):
        config_from_json('{"architecture": "lstm", "colour": "red"}')


def test_a_task_survives_json() -> None:
    task = TaskSpec(name="text", frames="tokens", token_count=256, text_encoding="utf8", labels=("ä", "b"))
    assert task_from_json(task_to_json(task)) == task


def test_a_config_of_another_architecture_is_refused() -> None:
    task = TaskSpec(name="numbers", frames="features", feature_count=2, labels=("a", "b"))
    with pytest.raises(ValueError, match="transformer config"):
        zoo.build(task, "lstm", TransformerConfig())


def test_names_are_understood() -> None:
    for name in zoo.names():
        task, architecture, config = zoo.configuration(name)
        assert f"{task}-{architecture}-{config.norm}" == name
    with pytest.raises(KeyError):
        zoo.configuration("vowels-lstm-spectral")


@pytest.mark.parametrize("name", ["vowels-tcn-batch_step", "vowels-lstm-batch_ffn", "vowels-tcn-batch_current"])
def test_normalisers_that_an_architecture_does_not_have_have_no_name(name: str) -> None:
    with pytest.raises(KeyError):
        zoo.configuration(name)


def test_a_normaliser_that_an_architecture_does_not_have_is_refused() -> None:
    task = TaskSpec(name="numbers", frames="features", feature_count=2, labels=("a", "b"))
    with pytest.raises(ValueError, match="transformer has no normaliser 'batch_step'"):
        zoo.build(task, "transformer", TransformerConfig(norm="batch_step"))


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_a_recurrence_has_no_moments_over_time(norm: str) -> None:
    task = TaskSpec(name="numbers", frames="features", feature_count=2, labels=("a", "b"))
    with pytest.raises(ValueError, match="norm_place"):
        zoo.build(task, "lstm", LSTMConfig(norm=norm))
    assert not zoo.build(task, *zoo.configuration(f"vowels-lstm-{norm}")[1:]).causal


@pytest.mark.parametrize("architecture", ["transformer", "encoder"])
def test_moments_over_time_leave_something_to_the_mean_over_time(architecture: str) -> None:
    task = TaskSpec(name="numbers", frames="features", feature_count=2, labels=("a", "b"))
    model = zoo.build(task, architecture, zoo.configuration(f"vowels-{architecture}-instance")[2]).eval()
    with torch.no_grad():
        outputs, _ = model(torch.randn(2, 9, 2), torch.tensor([9, 9]), {})
    assert float((outputs[0, -1] - outputs[1, -1]).abs().max()) > 1e-3
