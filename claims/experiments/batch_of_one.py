"""BatchNorm where a batch is one sequence: claim 14."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
