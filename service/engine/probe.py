"""The probe of a model: for a sample of the traffic, the sums of what enters each normalisation layer.

Shapes: B rows, T frames, C features of a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.model_file import ModelFileError, ModelLimits
from service.engine.session import open_session, read_companion, run_graph
from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from service.engine.onnx_runtime import ort
    from service.engine.row import States
    from soloist.v1.model_pb2 import Model

FILE = "probe.onnx"
# By name of the layer: sum and sum of squares over each row's valid frames, float64 [B, C].
LayerSums = dict[str, tuple[Any, Any]]


class Probe:
    """The probe graph of a model. Stateless; may run on several threads at once.

    A sequence may come in chunks: with the states before each, their sums add up to those of the whole, up to rounding.
    Bit-identical sums are not promised.
    """

    def __init__(self, session: ort.InferenceSession, model: Model) -> None:
        self._session, self._signature = session, model.signature
        self._layers = [layer.name for layer in model.probe.layers]
        self._wanted = [
            output for layer in model.probe.layers for output in (layer.sum_output, layer.sum_of_squares_output)
        ]

    def run(self, frames: NDArray[Any], lengths: Sequence[int], states: States) -> LayerSums:
        """Return the sums of `frames` [B, T, …] after `states`; in each row, the first `lengths` frames are valid."""
        signature = self._signature
        feed = {
            signature.frames.name: frames,
            signature.length.name: np.array(lengths, dtype_of(signature.length.data_type)),
            **{state.input: states[state.name] for state in signature.states},
        }
        results = run_graph(self._session, self._wanted, feed, frames)
        return dict(zip(self._layers, zip(results[::2], results[1::2], strict=True), strict=True))


def open_probe(
    path: Path,
    model: Model,
    limits: ModelLimits = ModelLimits(),  # noqa: B008  # it is frozen
) -> Probe | None:
    """Open the probe of a model file whose manifest is `model`; None if the manifest names none.

    Raises:
        ModelFileError: it is missing or no model, or belongs to another model.

    """
    if not model.HasField("probe"):
        return None
    session = open_session(read_companion(path.with_name(FILE), model.probe.sha256, limits), limits)
    _check(session, model)
    return Probe(session, model)


def _check(session: ort.InferenceSession, model: Model) -> None:
    signature = model.signature
    inputs = {signature.frames.name, signature.length.name, *(state.input for state in signature.states)}
    outputs = {name for layer in model.probe.layers for name in (layer.sum_output, layer.sum_of_squares_output)}
    if {value.name for value in session.get_inputs()} != inputs:
        raise ModelFileError(f"{FILE} has other inputs than the model")
    if not outputs <= {value.name for value in session.get_outputs()}:
        raise ModelFileError(f"{FILE} lacks outputs that the manifest names")
