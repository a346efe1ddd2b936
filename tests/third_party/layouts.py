"""Third-party models whose tensors have their axes where ours don't."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.third_party.model import ThirdPartyModel, normal, parameter, state

BATCH_SECOND = ThirdPartyModel(
    name="batch-second",
    graph="""sums (float[T,B,3] x, float[2,B,3] s) => (float[T,B,3] y, float[2,B,3] s_next) <int64 axis = {0}> {
  halves = Constant <value = int64[2] {1, 1}> ()
  first, second = Split <axis = 0> (s, halves)
  joined = Concat <axis = 0> (first, x)
  totals = CumSum (joined, axis)
  from = Constant <value = int64[1] {1}> ()
  end = Constant <value = int64[1] {9223372036854775807}> ()
  back = Constant <value = int64[1] {-1}> ()
  y = Slice (totals, from, end)
  last = Slice (totals, back, end)
  turned = Neg (last)
  s_next = Concat <axis = 0> (last, turned)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 3 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2, 3')} }}\n"
    + parameter("layout.x", "time batch feature")
    + parameter("layout.y", "time batch class")
    + parameter("layout.s", "layer batch hidden"),
    frames=normal(3),
    feed=lambda chunk: {"x": chunk[:, None]},
    outputs={"y": 0},
    states={"s": ("s_next", np.zeros((2, 1, 3), np.float32))},
    client=lambda chunk: {"x": chunk[None]},
    client_outputs={"y": 1},
)

NO_BATCH = ThirdPartyModel(
    name="no-batch",
    graph="""sums (float[T,3] x, float[3] s) => (float[T] y, float[3] s_next) <int64 axis = {0}> {
  zero = Constant <value = int64[1] {0}> ()
  one = Constant <value = int64[1] {1}> ()
  end = Constant <value = int64[1] {9223372036854775807}> ()
  back = Constant <value = int64 {-1}> ()
  row = Unsqueeze (s, zero)
  joined = Concat <axis = 0> (row, x)
  totals = CumSum (joined, axis)
  so_far = Slice (totals, one, end)
  y = ReduceSum <keepdims = 0> (so_far, one)
  s_next = Gather <axis = 0> (totals, back)
}""",
    config='max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '3')} }}\n",
    frames=normal(3),
    feed=lambda chunk: {"x": chunk},
    outputs={"y": 0},
    states={"s": ("s_next", np.zeros(3, np.float32))},
)

WINDOW = ThirdPartyModel(
    name="window",
    graph="""voice (float[N,8] x, float[2,N,8] state, int64 rate) => (float[M,1] y, float[P,Q,R] state_next) {
  fast = Constant <value = int64 {16000}> ()
  is_fast = Equal (rate, fast)
  scaled = If (is_fast) <
    then_branch = wide () => (float[N,8] a) { two = Constant <value = float {2.0}> ()  a = Mul (x, two) },
    else_branch = narrow () => (float[N,8] b) { three = Constant <value = float {3.0}> ()  b = Mul (x, three) }
  >
  decayed = Tanh (state)
  state_next = Add (decayed, scaled)
  axes = Constant <value = int64[2] {0, 2}> ()
  total = ReduceSum <keepdims = 0> (state_next, axes)
  one = Constant <value = int64[1] {1}> ()
  y = Unsqueeze (total, one)
}""",
    config='max_batch_size: 8\ninput { name: "x" data_type: TYPE_FP32 dims: [ 8 ] }\n'
    'input { name: "rate" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] } }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }\n'
    f"sequence_batching {{ {state('state', 'state_next', '2, 8')} }}\n"
    + parameter("layout.state", "layer batch hidden")
    + parameter("constant.rate", "16000"),
    frames=normal(8),
    feed=lambda chunk: {"x": chunk, "rate": np.array(16000)},
    outputs={"y": None},
    states={"state": ("state_next", np.zeros((2, 1, 8), np.float32))},
    client=lambda chunk: {"x": chunk, "rate": np.array([[16000]])},
    steps=True,
)

# WINDOW sums two axes at once, in an order that depends on how many rows there are; this one sums the last.
STEADY_WINDOW = replace(
    WINDOW,
    name="steady-window",
    graph=WINDOW.graph.replace(
        """  axes = Constant <value = int64[2] {0, 2}> ()
  total = ReduceSum <keepdims = 0> (state_next, axes)
  one = Constant <value = int64[1] {1}> ()
""",
        """  first = Constant <value = int64 {0}> ()
  layer = Gather (state_next, first)
  one = Constant <value = int64[1] {1}> ()
  total = ReduceSum <keepdims = 0> (layer, one)
""",
    ),
)

RESHAPED = ThirdPartyModel(
    name="reshaped",
    graph="""mask (float[1,1,4] x, float[1,4] s) => (float[1,1,4] y, float[1,4] s_next) {
  half = Constant <value = float {0.5}> ()
  flat = Squeeze (x)
  kept = Mul (s, half)
  s_next = Add (kept, flat)
  zero = Constant <value = int64[1] {0}> ()
  wide = Unsqueeze (s_next, zero)
  y = Sigmoid (wide)
}""",
    config='max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 1, 1, 4 ] } }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 1, 1, 4 ] } }\n'
    f"sequence_batching {{ {state('s', 's_next', '1, 4')} }}\n",
    frames=normal(4),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": None},
    states={"s": ("s_next", np.zeros((1, 4), np.float32))},
    client=lambda chunk: {"x": chunk[0]},
    steps=True,
)
