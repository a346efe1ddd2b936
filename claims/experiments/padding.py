"""Padding and unequal lengths: claims 10, 11 and 25."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
