"""Graphs that parse and do harm: too large, too deep, without end, of tensors that fill the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.graphs import METADATA_KEY
from tests.hostile.entry import Hostile, version

_OPSET = 21
_FRAMES: list[str | int | None] = ["batch", "time", 2]
_DOMAIN = "here"
_node, _value, _float = helper.make_node, helper.make_tensor_value_info, TensorProto.FLOAT


def _graph(nodes: Sequence[NodeProto], initializers: Sequence[TensorProto] = ()) -> GraphProto:
    """Return a graph from x to y, both [batch, time, 2]."""
    return helper.make_graph(
        nodes, "hostile", [_value("x", _float, _FRAMES)], [_value("y", _float, _FRAMES)], initializers
    )


def _model(graph: GraphProto, functions: Sequence[FunctionProto] = (), domains: Sequence[str] = ()) -> ModelProto:
    imports = [helper.make_opsetid("", _OPSET), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=functions)


def _write(make: Callable[[], ModelProto], model: Path) -> None:
    version(model).write_bytes(make().SerializeToString())


def _constant(name: str, value: Any) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def many_nodes(count: int = 1_000_000) -> bytes:
    """Return a graph of so many nodes, put together as bytes: a million messages would take long."""
    node = _node("Neg", ["x"], ["y"]).SerializeToString()
    graph = (b"\x0a" + _varint(len(node)) + node) * count + _graph([]).SerializeToString()
    model = _model(_graph([]))
    model.ClearField("graph")
    return model.SerializeToString() + b"\x3a" + _varint(len(graph)) + graph


def deep(levels: int = 8) -> ModelProto:
    """Return an If in an If, and so on: 2 to the power of the levels."""
    body = helper.make_graph([_node("Identity", ["x"], ["y0"])], "g", [], [_value("y0", _float, None)])
    for level in range(1, levels):
        node = _node("If", ["yes"], [f"y{level}"], then_branch=body, else_branch=body)
        body = helper.make_graph([node], f"g{level}", [], [_value(f"y{level}", _float, None)])
    last = _node("If", ["yes"], ["y"], then_branch=body, else_branch=body)
    return _model(_graph([last], [_constant("yes", True)]))


def too_deep() -> bytes:
    """Return bytes that nest a graph in a graph 4,000 times."""
    inner = b""
    for _ in range(4000):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            inner = tag + _varint(len(inner)) + inner
    return b"\x08\x0a\x3a" + _varint(len(inner)) + inner + b"\x42\x02\x10\x15"


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def laughs(levels: int, each: int = 10) -> ModelProto:
    """Return functions that call the next one ten times: ten to the power of their number of nodes."""
    functions = []
    for level in range(levels):
        op, domain = ("Neg", "") if level == levels - 1 else (f"f{level + 1}", _DOMAIN)
        names = ["i", *(f"t{n}" for n in range(each - 1)), "o"]
        nodes = [_node(op, [a], [b], domain=domain) for a, b in pairwise(names)]
        imports = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)]
        functions.append(helper.make_function(_DOMAIN, f"f{level}", ["i"], ["o"], nodes, imports))
    return _model(_graph([_node("f0", ["x"], ["y"], domain=_DOMAIN)]), functions, [_DOMAIN])


def ring() -> ModelProto:
    """Return two functions that call each other."""
    imports = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)]
    functions = [
        helper.make_function(
            _DOMAIN, f"f{n}", ["i"], ["o"], [_node(f"f{1 - n}", ["i"], ["o"], domain=_DOMAIN)], imports
        )
        for n in (0, 1)
    ]
    return _model(_graph([_node("f0", ["x"], ["y"], domain=_DOMAIN)]), functions, [_DOMAIN])


def _declared() -> ModelProto:
    """Return an initialiser that says it is a terabyte, and has no bytes."""
    huge = TensorProto(name="w", data_type=_float, dims=[2**40, 2], raw_data=b"")
    return _model(_graph([_node("Add", ["x", "w"], ["y"])], [huge]))


def _overflowing() -> ModelProto:
    huge = TensorProto(name="w", data_type=_float, dims=[2**32, 2**32], raw_data=b"")
    return _model(_graph([_node("Add", ["x", "w"], ["y"])], [huge]))


def _negative() -> ModelProto:
    return _model(_graph([_node("Add", ["x", "w"], ["y"])], [TensorProto(name="w", data_type=_float, dims=[-5, 2])]))


def _sparse_initializer() -> ModelProto:
    model = _model(_graph([_node("Add", ["x", "w"], ["y"])]))
    sparse = model.graph.sparse_initializer.add(dims=[2**20, 2**20])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([7]), "w_indices"))
    return model


def bomb(size: int, *, folded: bool = True) -> ModelProto:
    """Return a graph that makes a tensor of so many floats: while it is optimised, or when it first runs."""
    nodes = [
        *([_node("Identity", ["shape"], ["wanted"])] if folded else _at_run_time()),
        _node("ConstantOfShape", ["wanted"], ["huge"], value=helper.make_tensor("v", _float, [1], [1.0])),
        _node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        _node("Add", ["x", "sum"], ["y"]),
    ]
    return _model(_graph(nodes, [_constant("shape", np.array([size], np.int64))]))


def _at_run_time() -> list[NodeProto]:
    return [
        _node("Size", ["x"], ["n"]),
        _node("Sub", ["n", "n"], ["zero"]),
        _node("Add", ["shape", "zero"], ["wanted"]),
    ]


def tiled(size: int) -> ModelProto:
    """Return a graph whose Tile, Expand and Range make as many."""
    nodes = [
        _node("Tile", ["one", "shape"], ["tiled"]),
        _node("Expand", ["one", "shape"], ["expanded"]),
        _node("Range", ["start", "stop", "step"], ["ranged"]),
        _node("ReduceSum", ["tiled"], ["a"], keepdims=0),
        _node("ReduceSum", ["expanded"], ["b"], keepdims=0),
        _node("ReduceSum", ["ranged"], ["c"], keepdims=0),
        _node("Sum", ["x", "a", "b", "c"], ["y"]),
    ]
    constants = {
        "one": np.ones(1, np.float32), "shape": np.array([size]), "start": np.float32(0), "stop": np.float32(size),
        "step": np.float32(1),
    }  # fmt: skip
    return _model(_graph(nodes, [_constant(name, value) for name, value in constants.items()]))


def endless() -> ModelProto:
    """Return a loop of 2^63 turns, each of which keeps a value."""
    body = helper.make_graph(
        [
            _node("Identity", ["go"], ["on"]),
            _node("Identity", ["before"], ["behind"]),
            _node("Cos", ["before"], ["kept"]),
        ],
        "turn",
        [_value("i", TensorProto.INT64, []), _value("go", TensorProto.BOOL, []), _value("before", _float, [])],
        [_value("on", TensorProto.BOOL, []), _value("behind", _float, []), _value("kept", _float, [])],
    )
    nodes = [
        _node("ReduceMax", ["x"], ["first"], keepdims=0),
        _node("Loop", ["turns", "yes", "first"], ["last", "all"], body=body),
        _node("Add", ["x", "last"], ["y"]),
    ]
    return _model(_graph(nodes, [_constant("turns", np.int64(2**63 - 1)), _constant("yes", True)]))


def _cyclic() -> ModelProto:
    return _model(_graph([_node("Add", ["x", "b"], ["a"]), _node("Neg", ["a"], ["b"]), _node("Neg", ["b"], ["y"])]))


def _twice() -> ModelProto:
    return _model(_graph([_node("Neg", ["x"], ["y"], name="n"), _node("Abs", ["x"], ["y"], name="n")]))


def _nul() -> ModelProto:
    return _model(_graph([_node("Neg\0Abs", ["x"], ["y"], name="a\0b")]))


def _foreign() -> ModelProto:
    return _model(_graph([_node("Steal", ["x"], ["y"], domain="com.example")]), domains=["com.example"])


def _sequence_type() -> ModelProto:
    model = _model(_graph([_node("SequenceConstruct", ["x"], ["s"])]))
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("s", _float, None))
    return model


def _optional_type() -> ModelProto:
    model = _model(_graph([_node("Optional", ["x"], ["s"])]))
    model.graph.output[0].CopyFrom(
        helper.make_value_info("s", helper.make_optional_type_proto(helper.make_tensor_type_proto(_float, None)))
    )
    return model


def _map_type() -> ModelProto:
    node = _node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["a", "b"])
    model = _model(_graph([node]), domains=["ai.onnx.ml"])
    model.graph.input[0].CopyFrom(_value("x", _float, ["batch", 2]))
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(_float, []))
    model.graph.output[0].CopyFrom(helper.make_value_info("m", helper.make_sequence_type_proto(kind)))
    return model


def _no_graph_in_loop() -> ModelProto:
    node = _node("Loop", ["turns", "yes", "x"], ["y"])
    node.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, g=GraphProto()))
    return _model(_graph([node], [_constant("turns", np.int64(3)), _constant("yes", True)]))


def _manifest(text: str) -> ModelProto:
    model = _model(_graph([_node("Neg", ["x"], ["y"])]))
    helper.set_model_props(model, {METADATA_KEY: text})
    return model


def _manifest_huge() -> ModelProto:
    return _manifest('{"labels":[' + '"a",' * 1_100_000 + '"a"]}')


def _told_options() -> ModelProto:
    model = _model(_graph([_node("Neg", ["x"], ["y"])]))
    options = '{"session_options": {"intra_op_num_threads": 64, "session.use_env_allocators": "1"}}'
    helper.set_model_props(model, {"ort_config": options})
    return model


def _write_bytes(make: Callable[[], bytes], model: Path) -> None:
    version(model).write_bytes(make())


_made: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "deep": (deep, ""),
    "laughs": (partial(laughs, 9), "max_model_nodes"),
    "more-laughs": (partial(laughs, 60), "max_model_nodes"),
    "ring": (ring, "calls itself"),
    "declared": (_declared, "'w'"),
    "overflowing": (_overflowing, "Incompatible dimensions"),
    "negative": (_negative, "dimensions"),
    "sparse-tensor": (_sparse_initializer, "tensorprotoutils"),
    "bomb": (partial(bomb, 2**38), "memory"),
    "small-bomb": (partial(bomb, 2**32), "memory"),
    "bomb-at-run-time": (partial(bomb, 2**32, folded=False), "memory"),
    "negative-bomb": (partial(bomb, -(2**40)), "shape"),
    "tiled": (partial(tiled, 2**38), "memory"),
    "endless": (endless, "load_timeout_seconds"),
    "cyclic": (_cyclic, "cycl"),
    "twice": (_twice, "same node name"),
    "nul": (_nul, "invalid model"),
    "foreign": (_foreign, "com.example"),
    "sequence-type": (_sequence_type, "no output"),
    "optional-type": (_optional_type, "no output"),
    "map-type": (_map_type, "no output"),
    "no-graph-in-loop": (_no_graph_in_loop, "Loop"),
    "manifest-deep": (partial(_manifest, "[" * 100_000), "soloist.v1.Model"),
    "manifest-deep-field": (partial(_manifest, '{"x":' * 100_000), "soloist.v1.Model"),
    "manifest-huge": (_manifest_huge, "soloist.v1.Model' has"),
    "manifest-no-text": (partial(_manifest, "\x00\x01"), "soloist.v1.Model"),
    "manifest-list": (partial(_manifest, "[1]"), "soloist.v1.Model"),
    "manifest-numbers": (partial(_manifest, '{"version": 1e400}'), "soloist"),
    "manifest-digits": (partial(_manifest, '{"version": ' + "9" * 10_000 + "}"), "soloist"),
    "told-options": (_told_options, ""),
}  # fmt: skip
GRAPHS = (
    *(Hostile(name=name, write=partial(_write, make), says=says) for name, (make, says) in _made.items()),
    Hostile(name="too-deep", write=partial(_write_bytes, too_deep), says="ONNX"),
    Hostile(name="many-nodes", write=partial(_write_bytes, many_nodes), says="max_model_nodes"),
)
