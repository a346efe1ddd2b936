"""How many independent sequences a sample is worth: some are longer than others, and neighbours in time look alike.

Shape suffixes: N sequences, T frames, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of tokens; the rest are too rare to say anything about neighbours.
_TOKENS = 16


def kish_count(weights_N: NDArray[Any]) -> float:
    """Return (Σw)² / Σw² (L. Kish, Survey Sampling, 1965, §11.7): as many equal weights tell as much; 0 of none."""
    weights_N = np.asarray(weights_N, np.float64)
    squares = float((weights_N**2).sum())
    return float(weights_N.sum()) ** 2 / squares if squares else 0.0


def describe(sequences: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return each sequence a few numbers [N, F]: the means of its features, or the shares of the commonest tokens.

    `sequences` are [T, C] numbers or [T] tokens, T ≥ 1.
    """
    if sequences[0].ndim > 1:
        return np.stack([each.reshape(len(each), -1).mean(axis=0, dtype=np.float64) for each in sequences])
    tokens, counts = np.unique(np.concatenate(sequences), return_counts=True)
    commonest = tokens[np.argsort(-counts, kind="stable")[:_TOKENS]]
    return np.stack([(each[:, None] == commonest).mean(axis=0) for each in sequences])


def autocorrelation_time(values_N: NDArray[Any]) -> float:
    """Return the integrated autocorrelation time τ of a series, at least 1: its mean is worth N / τ independent values.

    Sums autocorrelations up to the first pair of lags that isn't positive, each pair no larger than the one before: the
    initial monotone sequence estimator (C. Geyer, Practical Markov Chain Monte Carlo, Statistical Science 7, 1992,
    §3.3). A constant series tells nothing of time: 1.
    """
    count = len(values_N)
    centred_N = np.asarray(values_N, np.float64) - np.mean(values_N, dtype=np.float64)
    covariance_N = np.correlate(centred_N, centred_N, "full")[count - 1 :] / max(count, 1)
    if count < 2 or covariance_N[0] <= np.finfo(np.float64).eps * np.mean(np.square(values_N)):
        return 1.0
    correlation_N = covariance_N / covariance_N[0]
    pairs = correlation_N[: count // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = pairs[: int(np.argmax(pairs <= 0))] if (pairs <= 0).any() else pairs
    return max(1.0, float(2 * np.minimum.accumulate(positive).sum() - 1)) if len(positive) else 1.0


def slowest_time(features_NF: NDArray[Any]) -> float:
    """Return the largest autocorrelation time of any feature of a series in order of time."""
    return max(autocorrelation_time(values_N) for values_N in features_NF.T)
