"""The calibration of a model's confidence: one temperature, and how far off confidence is with and without it.

Shape suffixes: N sequences, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from export.accuracy import answers
from models.data import Dataset
from models.training import parts
from service.engine.graph import Graph
from soloist.v1.model_pb2 import Calibration

Array = npt.NDArray[np.float64]
BINS = 15  # of equal width
# Of 1 / temperature. Whoever needs more has outputs that say nothing.
_COLDEST, _HOTTEST = 1e-3, 1e3
_HALVINGS = 100  # more than a float64 has bits


def measure(graph: Graph, dataset: Dataset, architecture: str, seed: int) -> Calibration:
    """Calibrate a file on the sequences that the training with this seed kept back for validation.

    They chose the best epoch too, so the figures are a little flattering; weights have not seen them, unless the split
    was too small to be divided.
    """
    _, validation = parts(dataset, architecture, np.random.default_rng(seed))
    calibration = fit(answers(graph, validation).astype(np.float64), validation.labels)
    calibration.held_back = validation is not dataset.train
    return calibration


def fit(outputs_NK: Array, label_N: npt.NDArray[np.int64]) -> Calibration:
    """Fit the temperature, and measure before and after. Numbers are float64; nothing is drawn."""
    return measured(*temperature_of(outputs_NK, label_N), outputs_NK, label_N)


def measured(temperature: float, bounded: bool, outputs_NK: Array, label_N: npt.NDArray[np.int64]) -> Calibration:
    """Measure without and with a temperature, on sequences that it was fitted to or on others."""
    before_NK, after_NK = log_softmax(outputs_NK), log_softmax(outputs_NK / temperature)
    return Calibration(
        temperature=temperature,
        bounded=bounded,
        sequences=len(label_N),
        log_loss_before=_log_loss(before_NK, label_N),
        log_loss_after=_log_loss(after_NK, label_N),
        calibration_error_before=calibration_error(np.exp(before_NK), label_N),
        calibration_error_after=calibration_error(np.exp(after_NK), label_N),
    )


def temperature_of(outputs_NK: Array, label_N: npt.NDArray[np.int64]) -> tuple[float, bool]:
    """Return the temperature of least log loss (Guo et al. 2017, section 4.2), and whether the bound held it back.

    The loss is convex in β = 1 / temperature, so its slope is halved down to. Where every answer is right there is no
    least loss: β grows for ever. So the mean confidence over n sequences is at most (n + 1) / (n + 2), which is what n
    right answers out of n support (the rule of succession); it grows with β. Where nothing depends on β, it is 1.
    """
    most = (len(label_N) + 1) / (len(label_N) + 2)
    right_N = np.take_along_axis(outputs_NK, label_N[:, None], axis=1)[:, 0]

    def slope(beta: float) -> float:
        expected_N = (np.exp(log_softmax(beta * outputs_NK)) * outputs_NK).sum(axis=1)
        return float((expected_N - right_N).mean())

    def excess(beta: float) -> float:
        return float(np.exp(log_softmax(beta * outputs_NK)).max(axis=1).mean()) - most

    if np.ptp(outputs_NK, axis=1).max() == 0:
        return 1.0, False
    best, bound = _root(slope), _root(excess)
    return 1 / min(best, bound), bound < best


def _root(rising: Callable[[float], float]) -> float:
    """Return where a rising function of β crosses zero, or the end of the range that lies nearer to that."""
    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(float(np.exp(middle))) > 0 else (middle, high)
    return float(np.exp(high))


def log_softmax(outputs_NK: Array) -> Array:
    """Return log probabilities, [N, K]."""
    shifted_NK = outputs_NK - outputs_NK.max(axis=1, keepdims=True)
    logarithms_NK: Array = shifted_NK - np.log(np.exp(shifted_NK).sum(axis=1, keepdims=True))
    return logarithms_NK


def _log_loss(logarithms_NK: Array, label_N: npt.NDArray[np.int64]) -> float:
    return float(-np.take_along_axis(logarithms_NK, label_N[:, None], axis=1).mean())


def calibration_error(probabilities_NK: Array, label_N: npt.NDArray[np.int64]) -> float:
    """Return the expected calibration error over BINS bins of equal width (Guo et al. 2017, equation 3)."""
    confidence_N = probabilities_NK.max(axis=1)
    right_N = probabilities_NK.argmax(axis=1) == label_N
    bin_N = np.clip(np.ceil(confidence_N * BINS).astype(int) - 1, 0, BINS - 1)  # a bin has its upper edge
    off_M = np.bincount(bin_N, weights=right_N - confidence_N, minlength=BINS)
    return float(np.abs(off_M).sum() / len(label_N))
