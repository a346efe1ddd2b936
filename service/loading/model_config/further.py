"""Inputs beside the sequence: sent for every frame or for all of them, optional, or constant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.tensors import DTYPES, encode
from service.loading.manifest import ManifestError
from service.loading.model_config.file import FILE
from soloist.v1.model_pb2 import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.loading.model_config.graph_tensors import GraphTensors
    from service.loading.model_config.parameters import Parameters
    from service.loading.model_config.roles import Roles
    from service.loading.model_config.tensor import Tensor


def input_specs(roles: Roles, parameters: Parameters, graph: GraphTensors) -> list[InputSpec]:
    """Say what the graph reads beside the sequence.

    Raises:
        ManifestError: an input may be left out and the graph has no value for it, or a constant doesn't fit.

    """
    specs = []
    for tensor, told in roles.inputs:
        if told.optional and not parameters.is_constant(tensor.name) and tensor.name not in graph.defaults:
            raise ManifestError(
                f"{FILE}: input {tensor.name!r} is optional, and the graph has no value for it "
                f'(an initializer of that name); "constant.{tensor.name}" can give it one'
            )
        per_frame = is_per_frame(tensor, roles, parameters)
        spec = InputSpec(tensor=tensor.spec(per_frame=per_frame), per_frame=per_frame)
        if parameters.is_constant(tensor.name):
            spec.constant.CopyFrom(encode(_constant(tensor, parameters.constant(tensor.name))))
        else:
            spec.optional = told.optional
        specs.append(spec)
    return specs


def is_per_frame(tensor: Tensor, roles: Roles, parameters: Parameters) -> bool:
    """Tell whether an input has an entry for every frame.

    Raises:
        ManifestError: it is told so, and the graph has no way to take it.

    """
    if tensor.time is not None:
        if tensor.time_size not in (-1, roles.frames.time_size):
            raise ManifestError(
                f"{FILE}: {tensor.name!r} takes {tensor.time_size} frames a run, and the sequence another number"
            )
        return True
    told = parameters.is_per_frame(tensor.name)
    if told and roles.frames_per_run != 1:
        raise ManifestError(f"{FILE}: {tensor.name!r} has no time axis, so it can't have an entry for every frame")
    return told


def _constant(tensor: Tensor, value: Any) -> NDArray[Any]:
    """Give what an input holds for one row, or for one frame of it."""
    if -1 in tensor.outside:
        raise ManifestError(f"{FILE}: {tensor.name!r} is constant, but its size isn't told by its dims")
    try:
        exact = np.asarray(value)
        array = exact.astype(DTYPES[tensor.data_type])
        if array.dtype.kind in "iub" and not (array == exact).all():
            raise ManifestError(f"{FILE}: the constant for {tensor.name!r} doesn't fit {array.dtype}")
        if array.size == np.prod(tensor.outside, dtype=int):
            return array.reshape(tensor.outside)
        return np.broadcast_to(array, tensor.outside)
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{FILE}: the constant for {tensor.name!r} doesn't fit: {error}") from error
