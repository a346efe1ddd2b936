"""Recurrent BatchNorm, and the statistics that it is served with: claims 22, 24, 26 and 27."""

from __future__ import annotations

from claims.claim import Claim
from claims.experiments.recurrent_batch_norm import cost, longer_sequences, shared_over_time, training

CLAIMS: tuple[Claim, ...] = (training.CLAIM, longer_sequences.CLAIM, cost.CLAIM, shared_over_time.CLAIM)
