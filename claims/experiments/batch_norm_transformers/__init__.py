"""Transformers with BatchNorm in place of LayerNorm: claims 19, 20 and 21."""

from claims.experiments.batch_norm_transformers import divergence, inner_norm, speed

CLAIMS = (divergence.CLAIM, inner_norm.CLAIM, speed.CLAIM)
