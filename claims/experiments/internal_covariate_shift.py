"""Whether training suffers from moments that change: claim 3."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
