"""Attention: tiles compute what a plain masked softmax would; the encoder sees a whole sequence and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models import zoo
from models.config import EncoderConfig, TaskSpec, TransformerConfig
from models.tiled_attention import TiledAttention, Tiling

TASK = TaskSpec(name="numbers", frames="features", feature_count=5, labels=("a", "b", "c"))
WINDOW, HEADS = 8, 3


def plain(attention: TiledAttention, x_BTE: Tensor) -> Tensor:
    frames, width = x_BTE.shape[1:]
    q, k, v = (
        part.reshape(-1, frames, HEADS, width // HEADS).transpose(1, 2)
        for part in attention.project(x_BTE).chunk(3, dim=2)
    )
    distance_TT = torch.arange(frames)[:, None] - torch.arange(frames)
    scores = q @ k.transpose(2, 3) / math.sqrt(width // HEADS) + attention.bias[:, distance_TT.clamp(0, WINDOW - 1)]
    seen_TT = (distance_TT >= 0) & (distance_TT < WINDOW)
    y_BHTd = torch.softmax(torch.where(seen_TT, scores, -math.inf), dim=-1) @ v
    y_BTE: Tensor = attention.out(y_BHTd.transpose(1, 2).reshape(-1, frames, width))
    return y_BTE


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 8, 9, 37])
def test_tiles_are_a_sliding_window(frames: int) -> None:
    torch.manual_seed(0)
    config = TransformerConfig(width=12, heads=HEADS, window=WINDOW, tile=4)
    attention = TiledAttention(config)
    torch.nn.init.normal_(attention.bias)
    x_BTE, length_B = torch.randn(2, frames, 12), torch.full((2,), frames)
    tiling = Tiling(torch.zeros(2, dtype=torch.int64), length_B, frames, config)
    cache = torch.zeros(2, WINDOW + 4, 12)
    with torch.no_grad():
        y_BTE, _ = attention(x_BTE, tiling, (cache, cache))
        torch.testing.assert_close(y_BTE, plain(attention, x_BTE), atol=1e-6, rtol=1e-6)


def test_padding_takes_no_tiles() -> None:
    config = TransformerConfig(width=12, heads=HEADS, window=WINDOW, tile=4)
    position_B, length_B = torch.tensor([0, 3, 6, 5]), torch.tensor([9, 1, 3, 4])
    tiling = Tiling(position_B, length_B, 9, config)
    # From 0 to 9, from 3 to 4, from 6 to 9, from 5 to 9.
    assert len(tiling.key_NHR) == len(tiling.query_NHM) == len(tiling.bias_NHM) == 3 + 1 + 2 + 2
    assert tiling.answer_BTH.shape == (4, 9, HEADS)
    assert int(tiling.answer_BTH.max()) < tiling.query_NHM.numel()


def test_rows_do_not_depend_on_what_is_behind_them() -> None:
    torch.manual_seed(0)
    config = TransformerConfig(width=12, heads=HEADS, window=WINDOW, tile=4)
    attention = TiledAttention(config)
    x_BTE, position_B, length_B = torch.randn(3, 9, 12), torch.tensor([0, 7, 20]), torch.tensor([9, 2, 5])
    caches = torch.randn(2, 3, WINDOW + 4, 12)
    caches[:, 0] = 0
    for row in range(3):
        x_BTE[row, int(length_B[row]) :] = math.nan
    with torch.no_grad():
        y_BTE, following = attention(x_BTE, Tiling(position_B, length_B, 9, config), (caches[0], caches[1]))
        for row, length in enumerate(length_B.tolist()):
            one = slice(row, row + 1)
            alone = Tiling(position_B[one], length_B[one], length, config)
            y_1TE, next_alone = attention(x_BTE[one, :length], alone, (caches[0, one], caches[1, one]))
            torch.testing.assert_close(y_BTE[one, :length], y_1TE, atol=1e-6, rtol=1e-6)
            for state, state_alone in zip(following, next_alone, strict=True):
                torch.testing.assert_close(state[one], state_alone)


@pytest.fixture(params=["none", "layer", "rms", "batch"])
def encoder(request: pytest.FixtureRequest) -> zoo.SequenceModel:
    torch.manual_seed(0)
    return zoo.build(TASK, "encoder", EncoderConfig(width=12, heads=HEADS, norm=request.param)).eval()


def ask(encoder: zoo.SequenceModel, x_BTC: Tensor, lengths: list[int]) -> Tensor:
    with torch.no_grad():
        outputs, states = encoder(x_BTC, torch.tensor(lengths), encoder.initial_state(len(lengths)))
    assert states == {}
    y_BTK: Tensor = outputs
    return y_BTK


def test_an_encoder_ignores_padding_and_neighbours(encoder: zoo.SequenceModel) -> None:
    x_BTC = 100 * torch.randn(3, 20, 5)
    x_BTC[1] /= 100
    x_BTC[1, 11:] = torch.nan
    together, alone = ask(encoder, x_BTC, [20, 11, 1]), ask(encoder, x_BTC[1:2, :11], [11])
    torch.testing.assert_close(together[1, :11], alone[0], atol=1e-5, rtol=1e-5)


def test_an_encoder_sees_the_future_and_order(encoder: zoo.SequenceModel) -> None:
    x_BTC = torch.randn(1, 9, 5)
    changed_BTC = x_BTC.clone()
    changed_BTC[0, -1] += 1
    assert not torch.equal(ask(encoder, x_BTC, [9])[0, 0], ask(encoder, changed_BTC, [9])[0, 0])
    last, reversed_last = ask(encoder, x_BTC, [9])[0, -1], ask(encoder, x_BTC.flip(1), [9])[0, -1]
    assert not torch.allclose(last, reversed_last, atol=1e-3)
