"""The arithmetic: which scale and zero point a range gets, and weights as uint8 around 128.

Shapes: K rows and N columns of a weight (K is summed over), b blocks of a column, S rows in a block.
"""

from __future__ import annotations

import numpy as np

from export.quantise.calibration import Range
from export.quantise.scope import Array

LEVELS = 255
MIDDLE = 128  # the zero point of every weight
BLOCK = 32  # rows that share a scale, where a column has several


def parameters(found: Range) -> tuple[Array, Array]:
    """Return scale and zero point of uint8 for a range around 0; 0 is a whole step, so padding stays 0."""
    width = found.high - found.low
    scale = np.float32(width / LEVELS) if width else np.float32(1)
    return np.asarray(scale), np.asarray(np.uint8(np.clip(round(-found.low / float(scale)), 0, LEVELS)))


def by_column(weight_KN: Array) -> tuple[Array, Array]:
    """Return uint8 [K, N] and one scale for each column [N]."""
    scale_N = _scale(np.abs(weight_KN).max(axis=0))
    return (np.rint(weight_KN / scale_N) + MIDDLE).astype(np.uint8), scale_N


def in_blocks(weight_KN: Array) -> tuple[Array, Array]:
    """Return uint8 [N, b, S], filled up with zeros, and a scale for each block [N, b]: the layout of MatMulNBits."""
    rows, columns = weight_KN.shape
    blocks_NbS = np.pad(weight_KN.T, ((0, 0), (0, -rows % BLOCK))).reshape(columns, -1, BLOCK)
    scale_Nb = _scale(np.abs(blocks_NbS).max(axis=2))
    return (np.rint(blocks_NbS / scale_Nb[:, :, None]) + MIDDLE).astype(np.uint8), scale_Nb


def _scale(largest: Array) -> Array:
    return np.where(largest > 0, largest / np.float32(MIDDLE - 1), 1).astype(np.float32)
