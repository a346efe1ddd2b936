"""How far live moments are from stored ones: three figures a layer, each a mean over features.

With mean μ and deviation σ = √(variance + eps) of a feature, as the layer itself adds eps: a feature that never changes
has a deviation too. Means over features, not sums, so that layers of different width can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from service.skew.moments import Moments


@dataclass(frozen=True, kw_only=True)
class Skew:
    """Mean TID |μ_stored - μ| / σ and variance TID |σ_stored / σ - 1|, both in live deviations, and a divergence.

    TID is the training inference discrepancy of Wang et al. 2022 ("Understanding the Failure of Batch Normalization for
    Transformers in NLP"), with live traffic in the place of a training batch. `divergence_nats` is the Kullback-Leibler
    divergence KL(live ‖ stored) of two Gaussians.
    """

    mean_tid: float
    variance_tid: float
    divergence_nats: float


def measure(live: Moments, stored: Moments, eps: float) -> Skew:
    """Compare the moments of one layer; `eps` > 0 is the layer's own."""
    live_C, stored_C = live.variance + eps, stored.variance + eps
    distance_C = live.mean - stored.mean
    ratio_C = live_C / stored_C
    divergence_C = (ratio_C - 1 - np.log(ratio_C) + distance_C**2 / stored_C) / 2
    return Skew(
        mean_tid=float(np.mean(np.abs(distance_C) / np.sqrt(live_C))),
        variance_tid=float(np.mean(np.abs(1 / np.sqrt(ratio_C) - 1))),
        divergence_nats=float(np.mean(divergence_C)),
    )
