"""How values grow with depth: claim 2."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
