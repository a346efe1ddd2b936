"""Which numbers a normaliser averages, keeps in order and shares: claims 4, 8, 12, 32 and 33."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
