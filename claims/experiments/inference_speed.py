"""How fast each normaliser is when it is served: claim 17."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
