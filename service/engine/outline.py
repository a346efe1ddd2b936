"""The outline of an ONNX file, looked at before ONNX Runtime sees it: its size with all functions, its weight files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from service.engine.model_file import ModelFileError
from soloist.onnx.outline_pb2 import GraphProto, ModelProto, NodeProto, TensorProto

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.engine.model_file import ModelFile
    from soloist.onnx.outline_pb2 import FunctionProto

_EXTERNAL = 1
_OWN_DOMAINS = ("", "ai.onnx")
# Functions that call functions. Exporters nest a handful.
_DEEPEST_CALLS = 64
# Domain, name and overload of an operator.
_Operator = tuple[str, str, str]


def check_outline(file: ModelFile, max_nodes: int) -> None:
    """Refuse a file that would take ONNX Runtime too long, or lead it to other files.

    Raises:
        ModelFileError: it is no ONNX file, has more than `max_nodes` nodes once its functions are in their places, or
            names weights that aren't in its folder.

    """
    try:
        model = ModelProto.FromString(file.content)
    except DecodeError as error:
        raise ModelFileError(f"{file.name} is no ONNX file, is damaged, or is nested too deep") from error
    if not model.HasField("graph"):
        raise ModelFileError(f"{file.name} is no ONNX file: it has no graph")
    _Sizes(model.functions, max_nodes).check(model.graph)
    sizes = {name: len(content) for name, content in file.weights.items()}
    for tensor in _tensors(model):
        _check_place(tensor, sizes)


class _Sizes:
    """The numbers of nodes of functions, each with all that it calls."""

    def __init__(self, functions: Iterable[FunctionProto], most: int) -> None:
        self._functions = {(each.domain, each.name, each.overload): each for each in functions}
        self._known: dict[_Operator, int] = {}
        self._calling: list[_Operator] = []
        self._most = most

    def check(self, graph: GraphProto) -> None:
        if self._of(graph.node) > self._most:
            raise ModelFileError(
                f"its graph has more than max_model_nodes ({self._most}) nodes, those of its functions counted at "
                "every call: raise that setting if you trust the file"
            )

    def _of(self, nodes: Sequence[NodeProto]) -> int:
        total = len(nodes)
        for node in nodes:
            if total > self._most:
                break
            if self._functions and (key := (node.domain, node.op_type, node.overload)) in self._functions:
                total += self._of_function(key)
            for graph in _subgraphs(node):
                total += self._of(graph.node)
        return total

    def _of_function(self, key: _Operator) -> int:
        if key in self._calling:
            raise ModelFileError(f"its function {key[1]!r} calls itself")
        if len(self._calling) == _DEEPEST_CALLS:
            raise ModelFileError(f"its functions call each other more than {_DEEPEST_CALLS} deep")
        if key not in self._known:
            self._calling.append(key)
            self._known[key] = self._of(self._functions[key].node)
            self._calling.pop()
        return self._known[key]


def _subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield all tensors of a file, at any depth."""
    yield from _tensors_of_graph(model.graph)
    for function in model.functions:
        yield from _tensors_of_nodes(function.node)


def _tensors_of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        for graph in _subgraphs(node):
            yield from _tensors_of_graph(graph)


def _check_place(tensor: TensorProto, sizes: Mapping[str, int]) -> None:
    """Check where a tensor's bytes are: in a file that was read, and whole. ONNX Runtime would open any other."""
    if tensor.data_location != _EXTERNAL and not tensor.external_data:
        return
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location, what = facts.get("location", ""), f"the weights of {tensor.name!r}"
    place = PurePosixPath(location)
    if place.is_absolute() or ".." in place.parts or "\\" in location:
        raise ModelFileError(f"{what} are in {location!r}, outside the version's folder: put them next to the graph")
    if str(place) not in sizes:
        raise ModelFileError(f"{what} are in {location!r}, and there is no such regular file in the version's folder")
    try:
        offset, length = (int(facts.get(key) or 0) for key in ("offset", "length"))
    except ValueError:
        raise ModelFileError(f"{what} have an offset or a length that is no number") from None
    if offset < 0 or length < 0 or offset + length > sizes[str(place)]:
        raise ModelFileError(
            f"{what} are bytes {offset} to {offset + length} of {location!r}, which has {sizes[str(place)]}"
        )
