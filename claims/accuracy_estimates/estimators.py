"""The estimators: from what a model answered to labelled and to unlabelled sequences to its accuracy on the latter.

Shape suffixes: N sequences, K classes, F features of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from export.calibration import log_softmax, temperature_of

Array = npt.NDArray[np.float64]
_LEAST_OF_CLASS = 10  # answers of a class that a temperature of its own needs
_RIDGE = 1.0  # penalty of the classifier that tells source from target, on standardised features
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Outputs [N, K] before the softmax, and of each sequence what a density ratio is estimated from [N, F]."""

    outputs: Array
    features: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled(Answers):
    """Answers of validation data, whose labels are known: [N]."""

    labels: npt.NDArray[np.int64]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Return which answers are right."""
        return np.asarray(self.outputs.argmax(axis=1) == self.labels)


Estimator = Callable[[Labelled, Answers], float]


def confidence(outputs_NK: Array, temperature: float | Array = 1.0) -> Array:
    """Return the probability of the class that is named: [N]."""
    probabilities_N: Array = np.exp(log_softmax(outputs_NK / temperature)).max(axis=1)
    return probabilities_N


def _temperature(source: Labelled) -> float:
    return temperature_of(source.outputs, source.labels)[0]


def mean_confidence(source: Labelled, target: Answers) -> float:
    """Return the mean confidence at the temperature of least log loss (Guo et al. 2017): what is served."""
    return float(confidence(target.outputs, _temperature(source)).mean())


def untempered_confidence(_source: Labelled, target: Answers) -> float:
    """Return the mean confidence as the model gives it."""
    return float(confidence(target.outputs).mean())


def thresholded_confidence(source: Labelled, target: Answers) -> float:
    """Return the average thresholded confidence (Garg et al. 2022, section 4).

    The threshold is the one that as many validation answers lie above as are right; the score is the confidence, which
    no temperature reorders much.
    """
    temperature = _temperature(source)
    threshold = np.quantile(confidence(source.outputs, temperature), 1 - source.right.mean())
    return float((confidence(target.outputs, temperature) >= threshold).mean())


def thresholded_entropy(source: Labelled, target: Answers) -> float:
    """Return the same with negative entropy as the score, which the paper prefers."""
    temperature = _temperature(source)
    threshold = np.quantile(_negative_entropy(source.outputs / temperature), 1 - source.right.mean())
    return float((_negative_entropy(target.outputs / temperature) >= threshold).mean())


def difference_of_confidences(source: Labelled, target: Answers) -> float:
    """Return validation accuracy less what confidence has lost (Guillory et al. 2021), within 0 and 1."""
    temperature = _temperature(source)
    lost = confidence(source.outputs, temperature).mean() - confidence(target.outputs, temperature).mean()
    return float(np.clip(source.right.mean() - lost, 0.0, 1.0))


def class_wise_confidence(source: Labelled, target: Answers) -> float:
    """Return the mean confidence at a temperature for each class that is named (Li et al. 2022, section 2).

    A class's temperature makes mean confidence its accuracy on validation data; one of too few answers takes that of
    all.
    """
    named_N, common = source.outputs.argmax(axis=1), _temperature(source)
    temperature_K = np.full(source.outputs.shape[1], common)
    for label in range(len(temperature_K)):
        of_class = named_N == label
        if of_class.sum() >= _LEAST_OF_CLASS:
            temperature_K[label] = _matching(source.outputs[of_class], float(source.right[of_class].mean()))
    return float(confidence(target.outputs, temperature_K[target.outputs.argmax(axis=1)][:, None]).mean())


def weighted_calibration(source: Labelled, target: Answers) -> float:
    """Return the mean confidence at the temperature of least log loss over validation data weighted as the target.

    Weights are the density ratio that a classifier of source and target gives: the way of PAPE (Białek et al. 2024).
    """
    weight_N = _density_ratio(source.features, target.features)

    def log_loss(log_temperature: float) -> float:
        log_NK = log_softmax(source.outputs / np.exp(log_temperature))
        return float(-np.average(log_NK[np.arange(len(log_NK)), source.labels], weights=weight_N))

    bounds = tuple(np.log(_TEMPERATURES))
    found = optimize.minimize_scalar(log_loss, bounds=bounds, method="bounded")
    return float(confidence(target.outputs, float(np.exp(found.x))).mean())


ESTIMATORS: dict[str, Estimator] = {
    "confidence": untempered_confidence,
    "temperature": mean_confidence,
    "thresholded": thresholded_confidence,
    "thresholded entropy": thresholded_entropy,
    "difference": difference_of_confidences,
    "class-wise": class_wise_confidence,
    "weighted": weighted_calibration,
}


def _negative_entropy(outputs_NK: Array) -> Array:
    log_NK = log_softmax(outputs_NK)
    negative_N: Array = (np.exp(log_NK) * log_NK).sum(axis=1)
    return negative_N


def _matching(outputs_NK: Array, accuracy: float) -> float:
    """Return the temperature at which mean confidence is an accuracy, or the end of the range nearest to it."""

    def excess(log_temperature: float) -> float:
        return float(confidence(outputs_NK, float(np.exp(log_temperature))).mean()) - accuracy

    low, high = np.log(_TEMPERATURES)
    if excess(low) <= 0:
        return _TEMPERATURES[0]
    if excess(high) >= 0:
        return _TEMPERATURES[1]
    return float(np.exp(optimize.brentq(excess, low, high)))


def _density_ratio(source_NF: Array, target_NF: Array) -> Array:
    """Return for each source sequence how much likelier it is in the target, by logistic regression."""
    scale_F = source_NF.std(axis=0) + 1e-9
    x_NF = np.concatenate([source_NF, target_NF])
    x_NF = np.clip((x_NF - source_NF.mean(axis=0)) / scale_F, -10, 10)
    is_target_N = np.repeat([0.0, 1.0], [len(source_NF), len(target_NF)])

    def objective(weights_F: Array) -> tuple[float, Array]:
        logit_N = x_NF @ weights_F[1:] + weights_F[0]
        error_N = 1 / (1 + np.exp(-logit_N)) - is_target_N
        value = np.logaddexp(0, logit_N).sum() - is_target_N @ logit_N + _RIDGE / 2 * weights_F[1:] @ weights_F[1:]
        gradient_F = np.concatenate([[error_N.sum()], x_NF.T @ error_N + _RIDGE * weights_F[1:]])
        return float(value), gradient_F

    found = optimize.minimize(objective, np.zeros(1 + x_NF.shape[1]), jac=True, method="L-BFGS-B")
    logit_N = x_NF[: len(source_NF)] @ found.x[1:] + found.x[0]
    ratio_N = np.exp(np.clip(logit_N, -20, 20)) * len(source_NF) / len(target_NF)
    weights_N: Array = ratio_N / ratio_N.mean()
    return weights_N
