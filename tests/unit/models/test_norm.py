"""Normalisers: whose frames enter BatchNorm's moments, and its affine form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.norm import NORMS, SERVED_AS, BatchNorm, make_norm, valid_frames

LENGTH_B = torch.tensor([9, 2, 5, 1])


@pytest.fixture
def x_BTC() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x_BTC = 3 + 2 * torch.randn(4, 9, 6, generator=generator)
    return torch.where(valid_frames(LENGTH_B, 9)[:, :, None], x_BTC, 0.0)


def moments_of(norm: BatchNorm, x_BTC: Tensor) -> tuple[Tensor, Tensor]:
    """With a momentum of 1 the running moments are those of the last batch."""
    norm.momentum = 1.0
    norm(x_BTC, valid_frames(LENGTH_B, x_BTC.shape[1]))
    return norm.running_mean, norm.running_var


def of_valid(x_BTC: Tensor) -> tuple[Tensor, Tensor]:
    x_NC = x_BTC[valid_frames(LENGTH_B, x_BTC.shape[1])]
    return x_NC.mean(dim=0), x_NC.var(dim=0, unbiased=False)


def test_masked_moments_are_those_of_valid_frames(x_BTC: Tensor) -> None:
    torch.testing.assert_close(moments_of(BatchNorm(6), x_BTC), of_valid(x_BTC))


@pytest.mark.parametrize("value", [1e6, torch.nan, torch.inf])
def test_padding_never_enters_masked_moments(x_BTC: Tensor, value: float) -> None:
    valid_BT1 = valid_frames(LENGTH_B, 9)[:, :, None]
    filled_BTC = torch.where(valid_BT1, x_BTC, value)
    clean, dirty = BatchNorm(6), BatchNorm(6)
    assert torch.equal(
        torch.where(valid_BT1, clean(x_BTC, valid_BT1[:, :, 0]), 0.0),
        torch.where(valid_BT1, dirty(filled_BTC, valid_BT1[:, :, 0]), 0.0),
    )
    assert torch.equal(clean.running_mean, dirty.running_mean)
    assert torch.equal(clean.running_var, dirty.running_var)


def test_naive_moments_mix_in_the_share_of_zeros(x_BTC: Tensor) -> None:
    padded = 1 - float(LENGTH_B.sum()) / valid_frames(LENGTH_B, 9).numel()
    mean_C, var_C = of_valid(x_BTC)
    expected = (1 - padded) * mean_C, (1 - padded) * (var_C + padded * mean_C.square())
    torch.testing.assert_close(moments_of(BatchNorm(6, masked=False), x_BTC), expected)


def test_eval_mode_is_the_affine_map(x_BTC: Tensor) -> None:
    norm = BatchNorm(6)
    moments_of(norm, x_BTC)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    mean_C, var_C = of_valid(x_BTC)
    valid_BT = valid_frames(LENGTH_B, 9)
    expected = norm.normalise(x_BTC, mean_C, var_C)
    torch.testing.assert_close(norm.eval()(x_BTC, valid_BT), expected)
    scale_C, shift_C = norm.affine()
    assert torch.equal(norm(x_BTC, valid_BT), x_BTC * scale_C + shift_C)


def test_one_frame_leaves_the_bias() -> None:
    norm = BatchNorm(3, gain=5.0)
    torch.nn.init.constant_(norm.bias, 2.0)
    y_BTC = norm(torch.full((1, 1, 3), 7.0), torch.ones(1, 1, dtype=torch.bool))
    assert torch.equal(y_BTC, torch.full((1, 1, 3), 2.0))


def test_gradients_pass_through_the_moments(x_BTC: Tensor) -> None:
    norm, valid_BT = BatchNorm(6).double(), valid_frames(LENGTH_B, 9)
    x_BTC = x_BTC.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: norm(x, valid_BT), x_BTC)


@pytest.mark.parametrize("kind", [*NORMS, *SERVED_AS])
def test_names_make_normalisers_of_that_kind(kind: str) -> None:
    assert make_norm(kind, 4).kind == ("batch" if kind == "batch_ffn" else kind)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="batch_naive"):
        make_norm("spectral", 4)
