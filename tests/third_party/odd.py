"""Third-party models that take or give another number of frames, and one that is told where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.third_party.model import ThirdPartyModel, normal, parameter, state

POOLED = ThirdPartyModel(
    name="pooled",
    graph="""pool (float[B,T] x) => (float[B,U] y) {
  one = Constant <value = int64[1] {1}> ()
  wide = Unsqueeze (x, one)
  pooled = MaxPool <kernel_shape = [5]> (wide)
  y = Squeeze (pooled, one)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }\n',
    frames=normal(),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)

BLOCKS = ThirdPartyModel(
    name="blocks",
    graph="""block (float[B,4,2] x, float[B,2] s) => (float[B,2] y, float[B,2] s_next) {
  one = Constant <value = int64[1] {1}> ()
  last = Constant <value = int64 {3}> ()
  mean = ReduceMean <keepdims = 0> (x, one)
  y = Add (mean, s)
  s_next = Gather <axis = 1> (x, last)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2')} }}\n",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": None},
    states={"s": ("s_next", np.zeros((1, 2), np.float32))},
)

LOOKED_UP = ThirdPartyModel(
    name="looked-up",
    graph="""look (int64[N] x, float[N,2] s) => (float[N,2] y, float[N,2] s_next)
  <float[3,2] table = {0.5, -0.5, 0.25, 1.0, -1.0, 0.125}> {
  found = Gather (table, x)
  half = Constant <value = float {0.5}> ()
  kept = Mul (s, half)
  s_next = Add (kept, found)
  y = Tanh (s_next)
}""",
    config='max_batch_size: 8\ninput { name: "x" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] } }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2')} }}\n",
    frames=lambda rng, count: rng.integers(0, 3, count),
    feed=lambda chunk: {"x": chunk},
    outputs={"y": None},
    states={"s": ("s_next", np.zeros((1, 2), np.float32))},
    steps=True,
)

CONTROLS = ThirdPartyModel(
    name="told",
    graph="""told (float[B,T,1] x, float[B,1] begins, bool[B] is_there, int32[B,1] ends, int64[B,1] number)
  => (float[B,T,1] y, int64[B,1] who, bool[B] there) {
  hundred = Constant <value = float {100.0}> ()
  two = Constant <value = int64[1] {2}> ()
  end = Cast <to = 1> (ends)
  scaled = Mul (end, hundred)
  flags = Add (scaled, begins)
  wide = Unsqueeze (flags, two)
  y = Add (x, wide)
  who = Identity (number)
  there = Identity (is_there)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 1 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 1 ] }\n'
    'output { name: "who" data_type: TYPE_INT64 dims: [ 1 ] }\n'
    'output { name: "there" data_type: TYPE_BOOL dims: [ 1 ] reshape { shape: [ ] } }\nsequence_batching {\n'
    '  control_input { name: "begins" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 10 ] } }\n'
    '  control_input { name: "is_there" control { kind: CONTROL_SEQUENCE_READY bool_false_true: [ false, true ] } }\n'
    '  control_input { name: "ends" control { kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] } }\n'
    '  control_input { name: "number" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT64 } }\n}\n'
    + parameter("causal", "true"),
    frames=normal(1),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1, "who": None, "there": None},
)

SHARED = ThirdPartyModel(
    name="shared",
    graph="""shared (float[B,T,2] x, int64[B] n, float[B,T] mask, float[B,1] gain, float[B] begins)
  => (float[B,T,2] y) {
  two = Constant <value = int64[1] {2}> ()
  wide = Unsqueeze (mask, two)
  kept = Mul (x, wide)
  high = Unsqueeze (gain, two)
  louder = Mul (kept, high)
  both = Constant <value = int64[2] {1, 2}> ()
  begun = Unsqueeze (begins, both)
  y = Add (louder, begun)
  unused = Identity (n)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'sequence_batching { control_input { name: "begins" '
    "control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 10 ] } } }\n" + parameter("length_input", "n"),
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)

HALVED = ThirdPartyModel(
    name="halved",
    graph="""halve (float[B,T,2] x, float[B,2] s) => (float[B,U,2] y, int64[B,U] top, float[B,2] s_next) {
  one = Constant <value = int64[1] {1}> ()
  two = Constant <value = int64[1] {2}> ()
  end = Constant <value = int64[1] {9223372036854775807}> ()
  sum = ReduceSum <keepdims = 0> (x, one)
  s_next = Add (s, sum)
  odd = Slice (x, one, end, one, two)
  before = Unsqueeze (s, one)
  y = Add (odd, before)
  top = ArgMax <axis = 2, keepdims = 0> (y)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] label_filename: "classes.txt" }\n'
    'output { name: "top" data_type: TYPE_INT64 dims: [ -1 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2')} }}\n",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1, "top": 1},
    states={"s": ("s_next", np.zeros((1, 2), np.float32))},
)

# One output a frame as long as none is negative, as in first runs with zeros.
SIFTED = ThirdPartyModel(
    name="sifted",
    graph="""sift (float[T,2] x, float[2] s) => (float[U,2] y, float[2] s_next) {
  zero = Constant <value = int64[1] {0}> ()
  one = Constant <value = int64[1] {1}> ()
  nothing = Constant <value = float {0.0}> ()
  lowest = ReduceMin <keepdims = 0> (x, one)
  kept = GreaterOrEqual (lowest, nothing)
  y = Compress <axis = 0> (x, kept)
  sum = ReduceSum <keepdims = 0> (x, zero)
  s_next = Add (s, sum)
}""",
    config='max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] label_filename: "classes.txt" }\n'
    f"sequence_batching {{ {state('s', 's_next', '2')} }}\n",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk},
    outputs={"y": 0},
    states={"s": ("s_next", np.zeros(2, np.float32))},
)

SIFTED_BLOCKS = replace(
    SIFTED,
    name="sifted-blocks",
    graph=SIFTED.graph.replace("float[T,2] x", "float[4,2] x"),
    config=SIFTED.config.replace("dims: [ -1, 2 ] }\ninput", "dims: [ 4, 2 ] }\ninput"),
)

# Outputs of no elements.
HOLLOW = ThirdPartyModel(
    name="hollow",
    graph="""hollow (float[B,T,2] x) => (float[B,T,K] y) {
  two = Constant <value = int64[1] {2}> ()
  zero = Constant <value = int64[1] {0}> ()
  y = Slice (x, zero, zero, two)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, -1 ] }\n' + parameter("layout.y", "batch time feature"),
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)
