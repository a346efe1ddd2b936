"""What an answer depends on beside its own frames: claims 5, 13 and 16."""

from __future__ import annotations

from claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
