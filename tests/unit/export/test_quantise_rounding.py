from __future__ import annotations

import numpy as np
import pytest

from export.quantise.calibration import Range
from export.quantise.rounding import BLOCK, LEVELS, MIDDLE, by_column, in_blocks, parameters


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 3.7), (-2.5, 0.0), (-0.013, 41.0), (0.0, 0.0)])
def test_a_range_is_covered_and_zero_is_exact(low: float, high: float) -> None:
    scale, zero = parameters(Range(low=low, high=high))
    assert [scale.dtype, zero.dtype] == [np.dtype(np.float32), np.dtype(np.uint8)]
    assert (0 - int(zero)) * scale <= low + scale
    assert (LEVELS - int(zero)) * scale >= high - scale


def test_a_range_grows_from_zero() -> None:
    assert Range().over(np.array([2.0, 5.0])) == Range(low=0.0, high=5.0)
    assert Range().over(np.array([-3.0])).over(np.array([1.0])) == Range(low=-3.0, high=1.0)


def test_every_column_has_its_own_scale() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32) * [1, 100, 0]
    quantised, scale = by_column(weight.astype(np.float32))
    restored = (quantised.astype(np.float32) - MIDDLE) * scale
    assert (np.abs(restored - weight) <= scale / 2 * 1.001).all()
    assert (quantised[:, 2] == MIDDLE).all()


@pytest.mark.parametrize("rows", [1, BLOCK - 1, BLOCK, 2 * BLOCK + 5])
def test_blocks_hold_a_column_and_zeros_behind_it(rows: int) -> None:
    weight = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    quantised, scale = in_blocks(weight)
    assert quantised.shape == (4, -(-rows // BLOCK), BLOCK)
    restored = ((quantised.astype(np.float32) - MIDDLE) * scale[:, :, None]).reshape(4, -1).T
    assert np.abs(restored[:rows] - weight).max() <= scale.max() / 2 * 1.001
    assert (restored[rows:] == 0).all()
