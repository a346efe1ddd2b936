"""Which normaliser is better where both can be used, and what each has alone: claims 9, 23 and 31."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
