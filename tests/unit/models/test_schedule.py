"""The learning rate: defined for any number of steps, one peak, down to nearly nothing."""

from __future__ import annotations

import pytest

from models.training.loop import FIRST, share_of_peak


@pytest.mark.parametrize("steps", [*range(1, 12), 500])
def test_every_step_has_a_share(steps: int) -> None:
    shares = [share_of_peak(step, steps) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares)
    assert max(shares) == 1
    peak = shares.index(1)
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


def test_a_long_run_begins_and_ends_low() -> None:
    assert share_of_peak(0, 500) == FIRST
    assert share_of_peak(499, 500) < 1e-4
