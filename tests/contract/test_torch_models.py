"""The contract in PyTorch, within rounding: whole = chunks = padded = alone, for every architecture and normaliser."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from models import zoo
from models.config import LSTMConfig, ModelConfig, TaskSpec, TCNConfig, TransformerConfig

TASK = TaskSpec(name="numbers", frames="features", feature_count=5, labels=("a", "b", "c"))
SMALL: list[ModelConfig] = [
    LSTMConfig(hidden=12),
    LSTMConfig(hidden=12, layers=2, norm_place="input"),
    TCNConfig(channels=12),
    TransformerConfig(width=12, heads=3, window=8, tile=4),
    TransformerConfig(width=12, heads=3, window=8, tile=4, norm_position="post"),
]
CHUNKS = (1, 2, 3, 7, 1, 16, 1)
ROUNDING = 1e-4


@pytest.fixture(params=SMALL, ids=lambda config: f"{config.architecture}-{list(SMALL).index(config)}")
def config(request: pytest.FixtureRequest) -> ModelConfig:
    chosen: ModelConfig = request.param
    return chosen


@pytest.fixture(params=["none", "layer", "rms", "batch", "batch_step", "batch_ffn", "group_step", "dyt"])
def model(request: pytest.FixtureRequest, config: ModelConfig) -> zoo.SequenceModel:
    if request.param not in zoo.norms(config.architecture):
        pytest.skip(f"{config.architecture} has no {request.param}")
    torch.manual_seed(0)
    model = zoo.build(TASK, config.architecture, dataclasses.replace(config, norm=request.param))
    with torch.no_grad():  # in training mode, so that BatchNorm has statistics of its own
        model(torch.randn(16, 9, 5), torch.full((16,), 9), model.initial_state(16))
    return model.eval()


def ask(
    model: zoo.SequenceModel, x_BTC: Tensor, length_B: list[int], states: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    with torch.no_grad():
        outputs, following = model(x_BTC, torch.tensor(length_B), states)
    return outputs, following


def test_padding_and_neighbours_do_not_matter(model: zoo.SequenceModel) -> None:
    x_BTC = 100 * torch.randn(3, sum(CHUNKS), 5)
    x_BTC[1] /= 100
    x_BTC[1, 20:] = torch.nan
    together, states = ask(model, x_BTC, [31, 20, 7], model.initial_state(3))
    alone, alone_states = ask(model, x_BTC[1:2, :20], [20], model.initial_state(1))
    torch.testing.assert_close(together[1, :20], alone[0], atol=ROUNDING, rtol=ROUNDING)
    for name, state in alone_states.items():
        torch.testing.assert_close(states[name][1], state[0], atol=ROUNDING, rtol=ROUNDING)


def test_chunks_are_the_whole(model: zoo.SequenceModel) -> None:
    x_BTC = torch.randn(1, sum(CHUNKS), 5)
    whole, whole_states = ask(model, x_BTC, [sum(CHUNKS)], model.initial_state(1))
    states, outputs = model.initial_state(1), []
    for chunk in torch.split(x_BTC, list(CHUNKS), dim=1):
        output, states = ask(model, chunk, [chunk.shape[1]], states)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, atol=ROUNDING, rtol=ROUNDING)
    for name, state in whole_states.items():
        torch.testing.assert_close(states[name], state, atol=ROUNDING, rtol=ROUNDING)


def test_states_keep_their_shape_and_type(model: zoo.SequenceModel) -> None:
    first = model.initial_state(2)
    _, following = ask(model, torch.randn(2, 3, 5), [3, 1], first)
    assert {name: (state.shape, state.dtype) for name, state in following.items()} == {
        name: (state.shape, state.dtype) for name, state in first.items()
    }
