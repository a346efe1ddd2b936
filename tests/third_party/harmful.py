"""Graphs that callers can do harm with: the numbers in the frames say how long a run takes, or how wide it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.third_party.model import ThirdPartyModel, parameter

_CONFIG = (
    'max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 1 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 1 ] }\n' + parameter("causal", "true")
)

# So many turns of a loop: it ends between two of them.
LOOPING = ThirdPartyModel(
    name="looping",
    graph="""turns (float[B,T,1] x) => (float[B,T,1] y) {
  largest = ReduceMax <keepdims = 0> (x)
  count = Cast <to = 7> (largest)
  yes = Constant <value = bool {1}> ()
  zero = Constant <value = float {0}> ()
  last = Loop (count, yes, zero) <
    body = turn (int64 index, bool go, float before) => (bool on, float behind) {
      on = Identity (go)
      behind = Sin (before)
    }
  >
  y = Add (x, last)
}""",
    config=_CONFIG,
    frames=lambda rng, count: rng.integers(0, 3, (count, 1)).astype(np.float32),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)

# Turns without end, whatever the frames say: not even a first run comes to an end.
ENDLESS = replace(
    LOOPING,
    name="endless",
    graph=LOOPING.graph.replace(
        "count = Cast <to = 7> (largest)", "count = Constant <value = int64 {9223372036854775807}> ()"
    ),
)

# So many boxes, none of which overlap, in one operator, which nothing ends: 300,000 take the better part of a minute.
STUCK = ThirdPartyModel(
    name="stuck",
    graph="""boxes (float[B,T,1] x) => (float[B,T,1] y) {
  largest = ReduceMax <keepdims = 0> (x)
  zero = Constant <value = float {0}> ()
  one = Constant <value = float {1}> ()
  two = Constant <value = float {2}> ()
  all = Constant <value = int64 {1000000000}> ()
  overlap = Constant <value = float {0.99}> ()
  column = Constant <value = int64[3] {1, -1, 1}> ()
  row = Constant <value = int64[3] {1, 1, -1}> ()
  numbers = Range (zero, largest, one)
  doubled = Mul (numbers, two)
  low = Reshape (doubled, column)
  high = Add (low, one)
  boxes = Concat <axis = 2> (low, low, high, high)
  scores = Reshape (doubled, row)
  kept = NonMaxSuppression (boxes, scores, all, overlap)
  shape = Shape (kept)
  counts = Cast <to = 1> (shape)
  nothing = Mul (counts, zero)
  none = ReduceSum <keepdims = 0> (nothing)
  y = Add (x, none)
}""",
    config=_CONFIG,
    frames=lambda rng, count: rng.integers(1, 9, (count, 1)).astype(np.float32),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)

# Each frame's outputs are as many as it says.
WIDTHS = ThirdPartyModel(
    name="widths",
    graph="""wide (float[N,1] x) => (float[N,K] y) {
  zero = Constant <value = int64[1] {0}> ()
  one = Constant <value = int64[1] {1}> ()
  largest = ReduceMax (x)
  width = Cast <to = 7> (largest)
  flat = Reshape (width, one)
  shape = Shape (x)
  rows = Gather (shape, zero)
  wanted = Concat <axis = 0> (rows, flat)
  y = Expand (x, wanted)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }\n' + parameter("layout.y", "batch class"),
    frames=lambda rng, count: rng.integers(3, 4, (count, 1)).astype(np.float32),
    feed=lambda chunk: {"x": chunk},
    outputs={"y": None},
    steps=True,
)
