"""The auxiliary inputs: sent for every frame or once for all, optional, or constant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.tensors import encode
from service.loading.model_config.file import ConfigError
from soloist.data_types import dtype_of
from soloist.v1.model_pb2 import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.loading.model_config.graph_tensors import GraphTensors
    from service.loading.model_config.parameters import Parameters
    from service.loading.model_config.roles import Roles
    from service.loading.model_config.tensor import Tensor
    from soloist.oip import model_config_pb2 as oip


def input_specs(roles: Roles, parameters: Parameters, graph: GraphTensors) -> list[InputSpec]:
    """Return the auxiliary inputs for a signature.

    Raises:
        ManifestError: an optional input has no value in the graph, or a constant doesn't fit.

    """
    specs = []
    for tensor, declared in roles.inputs:
        check_default(declared, parameters, graph)
        per_frame = is_per_frame(tensor, roles, parameters)
        spec = InputSpec(tensor=tensor.spec(per_frame=per_frame), per_frame=per_frame)
        if parameters.is_constant(tensor.name):
            spec.constant.CopyFrom(encode(_constant(tensor, parameters.constant(tensor.name))))
        else:
            spec.optional = declared.optional
        specs.append(spec)
    return specs


def is_per_frame(tensor: Tensor, roles: Roles, parameters: Parameters) -> bool:
    """Return whether an input has an entry for every frame.

    Raises:
        ManifestError: it is declared so, but the graph can't take it.

    """
    if tensor.time is not None:
        if tensor.time_size not in (-1, roles.frames.time_size):
            raise ConfigError(f"{tensor.name!r} takes {tensor.time_size} frames per run, the sequence another number")
        return True
    declared = parameters.is_per_frame(tensor.name)
    if declared and roles.frames_per_run != 1:
        raise ConfigError(f"{tensor.name!r} has no time axis, so it can't have an entry for every frame")
    return declared


def _constant(tensor: Tensor, value: Any) -> NDArray[Any]:
    if -1 in tensor.outside:
        raise ConfigError(f"{tensor.name!r} is constant, but its dims leave its size open")
    return constant_array(tensor.name, value, dtype_of(tensor.data_type), tensor.outside)


def constant_array(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the value of a constant input for one row, or for one frame of it.

    Raises:
        ManifestError: the value doesn't fit the type or the shape.

    """
    try:
        exact = np.asarray(value)
        array = exact.astype(dtype)
        if array.dtype.kind in "iub" and not (array == exact).all():
            raise ConfigError(f"the constant for {name!r} doesn't fit {dtype}")
        return array.reshape(shape) if array.size == math.prod(shape) else np.broadcast_to(array, shape)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the constant for {name!r} doesn't fit: {error}") from error


def check_default(declared: oip.ModelInput, parameters: Parameters, graph: GraphTensors) -> None:
    """Check that an optional input has a default value.

    Raises:
        ManifestError: it has none.

    """
    if declared.optional and not parameters.is_constant(declared.name) and declared.name not in graph.defaults:
        raise ConfigError(
            f"input {declared.name!r} is optional, and the graph has no value for it "
            f'(an initializer of that name); "constant.{declared.name}" can give it one'
        )
