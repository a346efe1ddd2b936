"""The frames themselves as one more layer: what they were like in training, and the sums of live ones.

Shapes: T frames, C features; of tokens each kind is a feature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.observers.skew.moments import PooledSums
from soloist.v1.model_pb2 import Probe, ProbedLayer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.probe import LayerSums
    from soloist.v1.model_pb2 import Model

_NAME = "input"


def frame_sums(frames: NDArray[Any], token_count: int) -> PooledSums:
    """Return the sums over frames, [T, C] numbers, or [T] tokens of which there are `token_count`; else that is 0."""
    if token_count:
        counts_C = np.bincount(frames, minlength=token_count).astype(np.float64)
        return PooledSums(frames=len(frames), total=counts_C, squares=counts_C)
    x_TC = frames.reshape(len(frames), -1).astype(np.float64)
    return PooledSums(frames=len(x_TC), total=x_TC.sum(axis=0), squares=np.einsum("tc,tc->c", x_TC, x_TC))


def input_probe(model: Model) -> Probe | None:
    """Return a model's frames as a layer to probe; None if the manifest has nothing to compare them with."""
    known = model.input_reference
    width = len(known.moments.mean)
    if not known.thresholds or known.eps <= 0 or len(known.moments.variance) != width or width != _feature_count(model):
        return None
    layer = ProbedLayer(
        name=_NAME, kind=_NAME, reference=known.moments, eps=known.eps, thresholds=list(known.thresholds)
    )
    return Probe(layers=[layer])


def input_sums(frames: NDArray[Any], model: Model) -> LayerSums:
    """Return the sums over the frames of a row, as those of `input_probe`.

    Raises:
        ValueError: the frames have other features than the manifest says.

    """
    sums = frame_sums(frames, model.signature.token_count)
    if sums.total.shape != (_feature_count(model),):
        raise ValueError(f"frames of {sums.total.shape[0]} features")
    return {_NAME: (sums.total[None], sums.squares[None])}


def _feature_count(model: Model) -> int:
    signature = model.signature
    return signature.token_count or int(np.prod(signature.frames.shape[2:], dtype=np.int64))
