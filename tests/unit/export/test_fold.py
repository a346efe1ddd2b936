"""Folding BatchNorm: exact within rounding, on both sides, and only where it is exact."""

from __future__ import annotations

import pytest
import torch

from export.fold import fold
from models import zoo
from models.config import EncoderConfig, LSTMConfig, ModelConfig, NormPosition, TaskSpec, TCNConfig, TransformerConfig
from models.norm import BatchNorm, StepAffine, StepBatchNorm

TASK = TaskSpec(name="numbers", frames="features", feature_count=5, labels=("a", "b", "c"))
FOLDING: list[ModelConfig] = [
    LSTMConfig(hidden=12, layers=2),
    LSTMConfig(hidden=12, norm_place="input"),
    TCNConfig(channels=12),
    TransformerConfig(width=12, heads=3, window=8, tile=4),
    EncoderConfig(width=12, heads=3),
]


def untrained(config: ModelConfig) -> zoo.SequenceModel:
    torch.manual_seed(0)
    model = zoo.build(TASK, config.architecture, config)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, BatchNorm):
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return model.eval()


def ask(model: zoo.SequenceModel) -> torch.Tensor:
    x = torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    parameter = next(model.parameters())
    states = {
        name: state.to(parameter.dtype) if state.is_floating_point() else state
        for name, state in model.initial_state(3).items()
    }
    with torch.no_grad():
        outputs, _ = model(x.to(parameter.dtype), torch.tensor([9, 4, 1]), states)
    return torch.cat([row[:length] for row, length in zip(outputs, (9, 4, 1), strict=True)])


def batch(config: ModelConfig, kind: str = "batch") -> ModelConfig:
    return type(config)(**{**config.__dict__, "norm": kind})


@pytest.mark.parametrize("config", FOLDING, ids=lambda config: config.architecture)
@pytest.mark.parametrize("kind", ["batch", "batch_naive"])
def test_folding_changes_answers_by_rounding_only(config: ModelConfig, kind: str) -> None:
    model = untrained(batch(config, kind))
    before = ask(model)
    folded, names = fold(model)
    assert names
    torch.testing.assert_close(ask(folded), before, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("config", FOLDING[:3], ids=lambda config: config.architecture)
def test_every_norm_folds_where_linear_maps_stand_in_front(config: ModelConfig) -> None:
    folded, names = fold(untrained(batch(config)))
    assert not any(isinstance(module, BatchNorm) for module in folded.modules())
    assert all(name.endswith("norm") for name in names)


def test_folded_recurrence_is_the_plain_operator() -> None:
    folded, _ = fold(untrained(batch(LSTMConfig(hidden=12))))
    assert folded.get_submodule("body.layers.0").plain


def test_behind_a_residual_sum_nothing_folds() -> None:
    model = untrained(TransformerConfig(width=12, heads=3, window=8, tile=4, norm="batch", norm_position="post"))
    folded, names = fold(model)
    assert not names
    assert torch.equal(ask(folded), ask(model))


@pytest.mark.parametrize("position", ["pre", "post"])
def test_between_two_linear_maps_everything_folds(position: NormPosition) -> None:
    config = TransformerConfig(width=12, heads=3, window=8, tile=4, norm="batch_ffn", norm_position=position)
    model = untrained(config)
    before = ask(model)
    folded, names = fold(model)
    inner = {f"body.layers.{i}.feed_forward.norm" for i in range(config.layers)}
    assert inner == {name for name in names if name.endswith("feed_forward.norm")}
    torch.testing.assert_close(ask(folded), before, atol=2e-5, rtol=2e-5)


def test_statistics_of_each_step_become_tables() -> None:
    model = untrained(LSTMConfig(hidden=12, norm="batch_step", norm_steps=6))
    for module in model.modules():
        if isinstance(module, StepBatchNorm):
            module.known.fill_(4)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    folded, names = fold(model)
    assert not names
    tables = folded.get_submodule("body.layers.0.recurrent_norm")
    assert isinstance(tables, StepAffine)
    assert tables.scale.shape == (4, 48)
    torch.testing.assert_close(ask(folded), ask(model), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("norm", ["none", "layer", "rms", "dyt", "group", "group_step", "instance"])
def test_other_normalisers_stay(norm: str) -> None:
    model = untrained(TCNConfig(channels=12, norm=norm))
    folded, names = fold(model)
    assert not names
    assert torch.equal(ask(folded), ask(model))


def test_the_model_itself_is_left_alone() -> None:
    model = untrained(TCNConfig(channels=12, norm="batch"))
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    fold(model)
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in weights.items())


def test_the_algebra_is_done_in_double_precision() -> None:
    model = untrained(TCNConfig(channels=12, norm="batch"))
    norm, linear = (model.get_submodule(f"body.blocks.0.{path}") for path in ("norm", "conv.linear"))
    assert isinstance(norm, BatchNorm)
    assert isinstance(linear, torch.nn.Linear)
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = (linear.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    folded = fold(model)[0].get_submodule("body.blocks.0.conv.linear")
    assert isinstance(folded, torch.nn.Linear)
    assert torch.equal(folded.weight, (linear.weight.double() * scale[:, None]).float())
    torch.testing.assert_close(folded.bias, bias.float(), atol=1e-7, rtol=1e-7)
