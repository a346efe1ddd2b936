"""Normalisers of one frame, of a sequence, and of the batch at hand, against torch's own where it has one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.norm import BatchNorm, CurrentBatchNorm, make_norm, valid_frames

LENGTH_B = torch.tensor([9, 2, 5, 1])
FEATURES = 12


@pytest.fixture
def x_BTC() -> Tensor:
    x_BTC = 3 + 2 * torch.randn(4, 9, FEATURES, generator=torch.Generator().manual_seed(0))
    return torch.where(valid_frames(LENGTH_B, 9)[:, :, None], x_BTC, torch.nan)


def made(kind: str) -> nn.Module:
    torch.manual_seed(0)
    norm = make_norm(kind, FEATURES)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm


def test_group_norm_of_a_frame_is_torchs(x_BTC: Tensor) -> None:
    norm = made("group_step")
    x_NC = x_BTC[valid_frames(LENGTH_B, 9)]
    expected = nn.functional.group_norm(x_NC, 4, norm.weight, norm.bias)  # type: ignore[arg-type]
    torch.testing.assert_close(norm(x_NC), expected)


@pytest.mark.parametrize(("kind", "groups"), [("instance", FEATURES), ("group", 4)])
def test_moments_over_time_are_torchs_of_the_sequence_alone(x_BTC: Tensor, kind: str, groups: int) -> None:
    norm = made(kind)
    found = norm(x_BTC, valid_frames(LENGTH_B, 9))
    for x_TC, y_TC, length in zip(x_BTC, found, LENGTH_B, strict=True):
        x_1CT = x_TC[:length].T[None]
        if x_1CT.numel() == groups:  # one number: torch refuses
            continue
        expected = nn.functional.group_norm(x_1CT, groups, norm.weight, norm.bias)[0].T  # type: ignore[arg-type]
        torch.testing.assert_close(y_TC[:length], expected, atol=1e-4, rtol=1e-4)


def test_one_frame_leaves_the_bias_of_an_instance_norm(x_BTC: Tensor) -> None:
    norm = made("instance")
    found = norm(x_BTC, valid_frames(LENGTH_B, 9))
    torch.testing.assert_close(found[3, 0], norm.bias, atol=0, rtol=0)


def test_dynamic_tanh() -> None:
    norm = made("dyt")
    x_TC = torch.randn(3, FEATURES)
    expected = torch.tanh(norm.alpha * x_TC) * norm.weight + norm.bias  # type: ignore[operator]
    torch.testing.assert_close(norm(x_TC), expected, atol=0, rtol=0)


def test_current_statistics_are_those_of_training_mode(x_BTC: Tensor) -> None:
    trained, current, valid_BT = BatchNorm(FEATURES), CurrentBatchNorm(FEATURES), valid_frames(LENGTH_B, 9)
    nn.init.normal_(trained.weight)
    nn.init.normal_(trained.bias)
    expected = trained(x_BTC, valid_BT)
    current.load_state_dict(trained.state_dict())
    torch.testing.assert_close(current.eval()(x_BTC, valid_BT)[valid_BT], expected[valid_BT])


def test_a_batch_without_any_frame_has_finite_current_statistics() -> None:
    norm = CurrentBatchNorm(FEATURES)
    found = norm(torch.ones(2, 1, FEATURES), torch.zeros(2, 1, dtype=torch.bool))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("kind", ["group", "group_step"])
def test_features_that_make_no_groups_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="13 features"):
        make_norm(kind, 13)
