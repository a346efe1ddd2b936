"""Recurrent BatchNorm, and the statistics that it is served with: claims 22, 24, 26 and 27."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
