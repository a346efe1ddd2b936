"""Transformers with BatchNorm in place of LayerNorm: claims 19, 20 and 21."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
