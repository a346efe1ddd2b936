"""Padding and unequal lengths: claims 10, 11 and 25."""

from __future__ import annotations

from claims.claim import Claim
from claims.experiments.padding import counted, fixed_length, unequal_lengths

CLAIMS: tuple[Claim, ...] = (unequal_lengths.CLAIM, counted.CLAIM, fixed_length.CLAIM)
