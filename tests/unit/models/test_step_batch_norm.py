"""Statistics of each step: whose rows they are, which steps have them, and what the others use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.moments import MIN_ROWS
from models.norm import StepBatchNorm, make_norm, valid_frames
from models.step_norm import over_time

FRAMES, STEPS = 9, 6


def trained(x_BTC: Tensor, length_B: Tensor) -> StepBatchNorm:
    norm = make_norm("batch_step", x_BTC.shape[2], steps=STEPS)
    assert isinstance(norm, StepBatchNorm)
    over_time(norm, x_BTC, valid_frames(length_B, x_BTC.shape[1]), None)
    return norm.eval()


@pytest.fixture
def x_BTC() -> Tensor:
    step_T = torch.arange(FRAMES)[:, None]
    return 10 * step_T + (1 + step_T) * torch.randn(40, FRAMES, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def length_B() -> Tensor:
    return torch.tensor([FRAMES] * 20 + [4] * 20)


def test_each_step_has_the_moments_of_its_own_valid_rows(x_BTC: Tensor, length_B: Tensor) -> None:
    norm = trained(x_BTC, length_B)
    for step in range(STEPS):
        x_NC = x_BTC[length_B > step, step]
        torch.testing.assert_close(norm.running_mean[step], x_NC.mean(dim=0))
        torch.testing.assert_close(norm.running_var[step], x_NC.var(dim=0, unbiased=False))


def test_steps_beyond_the_last_use_its_statistics(x_BTC: Tensor, length_B: Tensor) -> None:
    norm = trained(x_BTC, length_B)
    x_BC = x_BTC[:, -1]
    valid_B = torch.ones(len(x_BC), dtype=torch.bool)
    last = norm(x_BC, valid_B, torch.full((len(x_BC),), STEPS - 1))
    for step in (STEPS, FRAMES, 10**6):
        assert torch.equal(norm(x_BC, valid_B, torch.full((len(x_BC),), step)), last)


def test_steps_that_too_few_rows_reach_have_none_of_their_own(x_BTC: Tensor) -> None:
    norm = trained(x_BTC, torch.tensor([FRAMES] * (MIN_ROWS - 1) + [2] * (41 - MIN_ROWS)))
    assert norm.last == 1
    x_BC, valid_B = x_BTC[:, 5], torch.ones(40, dtype=torch.bool)
    assert torch.equal(norm(x_BC, valid_B, torch.full((40,), 5)), norm(x_BC, valid_B, torch.full((40,), 1)))


def test_a_second_batch_moves_known_steps_and_sets_new_ones(x_BTC: Tensor) -> None:
    norm = trained(x_BTC, torch.full((40,), 2))
    before = norm.running_mean.clone()
    norm.train()
    over_time(norm, x_BTC + 1, valid_frames(torch.full((40,), 4), FRAMES), None)
    torch.testing.assert_close(norm.running_mean[:2], before[:2] + norm.momentum)
    torch.testing.assert_close(norm.running_mean[2:4], (x_BTC[:, 2:4] + 1).mean(dim=0))
    assert norm.last == 3


def test_eval_mode_is_the_affine_map_of_each_step(x_BTC: Tensor, length_B: Tensor) -> None:
    norm = trained(x_BTC, length_B)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    step_BT = torch.arange(STEPS).expand(40, -1)
    scale_SC, shift_SC = norm.affine()
    found = norm(x_BTC[:, :STEPS], torch.ones(40, STEPS, dtype=torch.bool), step_BT)
    torch.testing.assert_close(found, x_BTC[:, :STEPS] * scale_SC + shift_SC, atol=1e-5, rtol=1e-4)
