"""Third-party models of other types, with other inputs, and with loops inside."""

from __future__ import annotations

import numpy as np

from tests.third_party.model import ThirdPartyModel, normal, parameter, state

BYTES = ThirdPartyModel(
    name="bytes",
    graph="""count (uint8[B,T,2] x, float16[B,2] s) => (float16[B,T,2] y, int8[B,T] level, float16[B,2] s_next)
  <int64 axis = {1}> {
  one = Constant <value = int64[1] {1}> ()
  two = Constant <value = int64[1] {2}> ()
  end = Constant <value = int64[1] {9223372036854775807}> ()
  back = Constant <value = int64 {-1}> ()
  half = Cast <to = 1> (x)
  row16 = Unsqueeze (s, one)
  row = Cast <to = 1> (row16)
  joined = Concat <axis = 1> (row, half)
  totals = CumSum (joined, axis)
  small = Cast <to = 10> (totals)
  y = Slice (small, one, end, one)
  s_next = Gather <axis = 1> (small, back)
  clip_low = Constant <value = float {0.0}> ()
  clip_high = Constant <value = float {100.0}> ()
  summed = ReduceSum <keepdims = 0> (half, two)
  clipped = Clip (summed, clip_low, clip_high)
  level = Cast <to = 3> (clipped)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_UINT8 dims: [ -1, 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP16 dims: [ -1, 2 ] }\n'
    'output { name: "level" data_type: TYPE_INT8 dims: [ -1 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2', 'TYPE_FP16')} }}\n",
    frames=lambda rng, count: rng.integers(0, 9, (count, 2)).astype(np.uint8),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1, "level": 1},
    states={"s": ("s_next", np.zeros((1, 2), np.float16))},
)

LOOPED = ThirdPartyModel(
    name="looped",
    graph="""recur (float[B,T,2] x, float[B,2] s) => (float[B,T,2] y, float[B,2] s_next) {
  one = Constant <value = int64 {1}> ()
  shape = Shape (x)
  count = Gather (shape, one)
  yes = Constant <value = bool {1}> ()
  s_next, steps = Loop (count, yes, s) <
    body = each (int64 index, bool go, float[B,2] before) => (bool on, float[B,2] behind, float[B,2] step) {
      on = Identity (go)
      frame = Gather <axis = 1> (x, index)
      sum = Add (before, frame)
      behind = Tanh (sum)
      step = Identity (behind)
    }
  >
  y = Transpose <perm = [1, 0, 2]> (steps)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2')} }}\n",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
    states={"s": ("s_next", np.zeros((1, 2), np.float32))},
)

_BEGUN = np.arange(4, dtype="<f4").reshape(2, 2) / 3
BEGUN = ThirdPartyModel(
    name="begun",
    graph="""echo (float[N,2] x, float[N,2,2] s) => (float[N,2] y, float[N,2,2] s_next) {
  one = Constant <value = int64[1] {1}> ()
  wide = Unsqueeze (x, one)
  decayed = Tanh (s)
  s_next = Add (decayed, wide)
  y = ReduceSum <keepdims = 0> (s_next, one)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }\nsequence_batching { '
    + state(
        "s",
        "s_next",
        "2, 2",
        more='initial_state { name: "thirds" data_type: TYPE_FP32 dims: [ 2, 2 ] data_file: "thirds.bin" }',
    )
    + "}\n",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk},
    outputs={"y": None},
    states={"s": ("s_next", _BEGUN[None])},
    files={"thirds.bin": _BEGUN.tobytes()},
    steps=True,
)

AUXILIARY = ThirdPartyModel(
    name="further",
    graph="""mixed (float[B,T,2] x, float[B,T] mask, float gain, float[2] bias, float[2] shift, float[B,2] s)
  => (float[B,T,2] y, float[B,T] masked, float[B,2] s_next) <float[2] shift = {0.0, 0.0}> {
  two = Constant <value = int64[1] {2}> ()
  back = Constant <value = int64 {-1}> ()
  wide = Unsqueeze (mask, two)
  kept = Mul (x, wide)
  louder = Mul (kept, gain)
  biased = Add (louder, bias)
  y = Add (biased, shift)
  masked = ReduceSum <keepdims = 0> (kept, two)
  s_next = Gather <axis = 1> (x, back)
  unused = Identity (s)
}""",
    config='max_batch_size: 4\ninput { name: "mask" data_type: TYPE_FP32 dims: [ -1 ] }\n'
    'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'input { name: "gain" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }\n'
    'input { name: "bias" data_type: TYPE_FP32 dims: [ 2 ] }\n'
    'input { name: "shift" data_type: TYPE_FP32 dims: [ 2 ] optional: true }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    'output { name: "masked" data_type: TYPE_FP32 dims: [ -1 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '2')} }}\n"
    + parameter("frames_input", "x")
    + parameter("layout.bias", "feature")
    + parameter("layout.shift", "feature")
    + parameter("constant.bias", "[0.25, -0.5]"),
    frames=normal(2),
    feed=lambda chunk: {
        "x": chunk[None],
        "mask": (chunk[None, :, 0] > 0).astype(np.float32),
        "gain": np.array(1.5, np.float32),
        "bias": np.array([0.25, -0.5], np.float32),
    },
    outputs={"y": 1, "masked": 1},
    states={"s": ("s_next", np.zeros((1, 2), np.float32))},
    inputs={
        "gain": np.array(1.5, np.float32),
        "mask": lambda chunk: (chunk[:, 0] > 0).astype(np.float32),
    },
    client=lambda chunk: {
        "x": chunk[None],
        "mask": (chunk[None, :, 0] > 0).astype(np.float32),
        "gain": np.array([[1.5]], np.float32),
    },
)

UNTOLD = ThirdPartyModel(
    name="untold",
    graph="""plain (float[B,T,2] x) => (float[B,T,2] y, int64[B,T] top) {
  y = Tanh (x)
  top = ArgMax <axis = 2, keepdims = 0> (x)
}""",
    config="",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1, "top": 1},
)

MASKED = ThirdPartyModel(
    name="masked",
    graph="""masked (int32[B,T] x, bool[B,T] skip, float[B,1] s) => (float[B,T] y, bool[B,T] taken, float[B,1] s_next) {
  one = Constant <value = int64 {1}> ()
  last = Constant <value = int64[1] {-1}> ()
  none = Constant <value = float {0.0}> ()
  number = Cast <to = 1> (x)
  kept = Where (skip, none, number)
  sums = CumSum (kept, one)
  y = Add (sums, s)
  s_next = Gather <axis = 1> (y, last)
  taken = Not (skip)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_INT32 dims: [ -1 ] }\n'
    'input { name: "skip" data_type: TYPE_BOOL dims: [ -1 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }\n'
    'output { name: "taken" data_type: TYPE_BOOL dims: [ -1 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '1')} }}\n",
    frames=lambda rng, count: rng.integers(-9, 9, count).astype(np.int32),
    feed=lambda chunk: {"x": chunk[None], "skip": (chunk % 3 == 0)[None]},
    outputs={"y": 1, "taken": 1},
    states={"s": ("s_next", np.zeros((1, 1), np.float32))},
    inputs={"skip": lambda chunk: chunk % 3 == 0},
)
