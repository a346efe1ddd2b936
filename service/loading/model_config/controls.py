"""The control inputs, which give a graph its place in the sequence, and other inputs of one element per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.loading.manifest import ManifestError
from service.loading.model_config.file import ConfigError, element_type, type_name
from service.loading.model_config.tensor import Declaration, resolve
from soloist.oip import model_config_pb2 as oip
from soloist.v1 import model_pb2 as pb
from soloist.v1.tensor_pb2 import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.loading.model_config.graph_tensors import GraphTensor, GraphTensors
    from service.loading.model_config.parameters import Parameters

_Control = oip.ModelSequenceBatching.Control
_KINDS = {
    _Control.CONTROL_SEQUENCE_START: pb.CONTROL_KIND_START,
    _Control.CONTROL_SEQUENCE_READY: pb.CONTROL_KIND_READY,
    _Control.CONTROL_SEQUENCE_END: pb.CONTROL_KIND_END,
    _Control.CONTROL_SEQUENCE_CORRID: pb.CONTROL_KIND_SEQUENCE_ID,
}
_Values = tuple["oip.DataType.ValueType", float, float]


def control_specs(
    declared: Iterable[oip.ModelSequenceBatching.ControlInput],
    parameters: Parameters,
    graph: GraphTensors,
    *,
    batched: bool,
) -> list[pb.ControlSpec]:
    """Return the control inputs for a signature.

    Raises:
        ManifestError: one has no control or several, or a type that the graph doesn't take.

    """
    specs = []
    for each in declared:
        found = graph.input(each.name)
        if len(each.control) != 1:
            raise ConfigError(f"control input {each.name!r} has {len(each.control)} controls, it must have one")
        data_type, no, yes = _values(each.name, each.control[0])
        if data_type != found.data_type:
            raise ConfigError(f"control input {each.name!r} is {type_name(data_type)}, and {found.type} in the graph")
        specs.append(
            pb.ControlSpec(
                tensor=one_element(each.name, data_type, found, parameters, batched=batched),
                kind=_KINDS[each.control[0].kind],
                no=no,
                yes=yes,
            )
        )
    return specs


def one_element(
    name: str, data_type: oip.DataType.ValueType, found: GraphTensor, parameters: Parameters, *, batched: bool
) -> TensorSpec:
    """Return an input with one element per row and its axes: [batch], [batch, 1], [1] or a scalar.

    Raises:
        ManifestError: it has more elements.

    """
    sizes = found.sizes[batched:] if found.sizes else ()
    declaration = Declaration(
        name=name,
        data_type=data_type,
        dims=tuple(1 if size == -1 else size for size in sizes),
        reshape=None,
        layout=parameters.layout(name),
        batched=batched,
        has_time=False,
    )
    tensor = resolve(declaration, found)
    if any(size != 1 for size in tensor.others):
        raise ManifestError(f"{name!r} is {list(found.sizes)} in the graph, it must have one element per row")
    spec = TensorSpec(name=name, data_type=tensor.data_type, shape=[-1])
    if tensor.others or tensor.batch != 0:
        spec.layout.CopyFrom(tensor.layout())
        spec.layout.other_axes[:] = tensor.others
    return spec


def _values(name: str, control: _Control) -> _Values:
    if control.kind == _Control.CONTROL_SEQUENCE_CORRID:
        data_type = control.data_type
        if element_type(name, data_type).dtype.kind not in "iu":
            raise ConfigError(f"control input {name!r} is a number, and can't be {type_name(data_type)}")
        return data_type, 0, 0
    given: list[_Values] = [
        (data_type, *values)
        for data_type, values in (
            (oip.TYPE_INT32, control.int32_false_true),
            (oip.TYPE_FP32, control.fp32_false_true),
            (oip.TYPE_BOOL, control.bool_false_true),
        )
        if len(values) == 2
    ]
    if len(given) != 1:
        raise ConfigError(f"control input {name!r} needs two values of one type, for false and true")
    return given[0]
