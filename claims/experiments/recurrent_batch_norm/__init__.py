"""Recurrent BatchNorm, and the statistics that it is served with: claims 22, 24, 26 and 27."""

from __future__ import annotations

from claims.claim import Claim
from claims.experiments.recurrent_batch_norm import longer_sequences, shared_over_time

CLAIMS: tuple[Claim, ...] = (longer_sequences.CLAIM, shared_over_time.CLAIM)
