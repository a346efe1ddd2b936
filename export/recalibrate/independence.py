"""How many independent sequences a sample is worth: some are longer than others, and neighbours in time look alike.

Shape suffixes: N sequences, T frames, F features, P permutations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALARM = 0.01  # of samples that are independent, the share in which the test says that they are not
LAGS = 10  # and a fifth of the sample at most (R. Hyndman, G. Athanasopoulos, Forecasting, 2021, §5.4)
_PERMUTATIONS = 999
_NUMBERS_AT_ONCE = 2_000_000  # bounds the memory of a test
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


def dependence_p(features_NF: NDArray[Any], *, seed: int = 0) -> float:
    """Return p of one test whether a series in order of time is independent, over all its features at once.

    The statistic is that of G. Ljung and G. Box (On a measure of lack of fit in time series models, Biometrika 65,
    1978), summed over features. How features hang together among themselves is unknown, so its distribution is taken
    from permutations of the series, all of which are alike if it is independent: p ≤ ALARM has exactly that
    probability then, whatever the features and the number of sequences (B. Phipson, G. Smyth, Permutation p-values
    should never be zero, 2010). A series without change tells nothing of time: 1.
    """
    standard_NF = _standardised(features_NF)
    count, features = standard_NF.shape
    if count < 3 or not features:
        return 1.0
    rng = np.random.default_rng(seed)
    found, at_once = float(_ljung_box(standard_NF[None])[0]), max(1, _NUMBERS_AT_ONCE // standard_NF.size)
    as_large = 0
    for start in range(0, _PERMUTATIONS, at_once):
        orders_PN = np.stack([rng.permutation(count) for _ in range(min(at_once, _PERMUTATIONS - start))])
        # Sums of one series in another order of its terms differ by rounding.
        as_large += int((_ljung_box(standard_NF[orders_PN]) >= found * (1 - 1e-9)).sum())
    return (as_large + 1) / (_PERMUTATIONS + 1)


def _standardised(features_NF: NDArray[Any]) -> NDArray[Any]:
    """Leave out features that don't change; the others have mean 0 and deviation 1."""
    features_NF = np.asarray(features_NF, np.float64)
    deviation_F = features_NF.std(axis=0) if len(features_NF) else np.zeros(features_NF.shape[1])
    changes_F = deviation_F > 1e-12 * np.abs(features_NF).max(axis=0, initial=0.0)
    kept_NF = features_NF[:, changes_F]
    centred_NF: NDArray[Any] = (kept_NF - kept_NF.mean(axis=0)) / deviation_F[changes_F] if len(kept_NF) else kept_NF
    return centred_NF


def _ljung_box(standard_PNF: NDArray[Any]) -> NDArray[Any]:
    count = standard_PNF.shape[1]
    sums_P = np.zeros(len(standard_PNF))
    for lag in range(1, max(1, min(LAGS, count // 5)) + 1):
        correlation_PF = np.einsum("pnf,pnf->pf", standard_PNF[:, lag:], standard_PNF[:, :-lag]) / count
        sums_P += (correlation_PF**2).sum(axis=1) / (count - lag)
    statistic_P: NDArray[Any] = count * (count + 2) * sums_P
    return statistic_P


def slowest_time(features_NF: NDArray[Any]) -> float:
    """Return the largest autocorrelation time of any feature of a series in order of time."""
    return max(autocorrelation_time(values_N) for values_N in features_NF.T)
