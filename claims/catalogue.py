"""All claims by number."""

from __future__ import annotations

from claims.claim import Claim
from claims.experiments import (
    activation_growth,
    batch_fluctuation,
    batch_independence,
    batch_norm_transformers,
    batch_of_one,
    benefits,
    channels,
    differences,
    gradients,
    inference_speed,
    internal_covariate_shift,
    learned_gains,
    normalised_moments,
    normaliser_grid,
    order,
    padding,
    quantised,
    recurrent_batch_norm,
    running_statistics,
    small_batches,
    streaming,
    unlike_features,
)

_SUBJECTS = (
    activation_growth,
    batch_fluctuation,
    batch_independence,
    batch_norm_transformers,
    batch_of_one,
    benefits,
    channels,
    differences,
    gradients,
    inference_speed,
    internal_covariate_shift,
    learned_gains,
    normalised_moments,
    normaliser_grid,
    order,
    padding,
    quantised,
    recurrent_batch_norm,
    running_statistics,
    small_batches,
    streaming,
    unlike_features,
)
CLAIMS: dict[int, Claim] = {
    claim.number: claim
    for claim in sorted((claim for subject in _SUBJECTS for claim in subject.CLAIMS), key=lambda claim: claim.number)
}
