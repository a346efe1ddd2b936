"""Third-party models of which nobody says which axis is time, or whose first run with invented inputs fails."""

from __future__ import annotations

import numpy as np

from tests.third_party.model import ThirdPartyModel, parameter, state

_NONE = {
    "frames": lambda rng, count: rng.standard_normal((count, 1)),
    "feed": lambda chunk: {"x": chunk},
    "outputs": {},
}

_EMPTY = 'initial_state { name: "none" data_type: TYPE_FP32 dims: [ 1, 0, 2 ] zero_data: true }'

# Several axes vary; outputs of other types, of one element, and of none.
GRID = ThirdPartyModel(
    name="grid",
    graph="""grid (float[A,B,3] x, bool[B] keep, int32[C] ids, uint8[2] pixel, float16[D] half)
  => (float[A,B,3] y, float total, int32[C] doubled, bool[B] kept, uint8[2] same, int8[D] small, float16[D] halved) {
  two = Constant <value = int32[1] {2}> ()
  axis = Constant <value = int64[1] {1}> ()
  as_float = Cast <to = 1> (keep)
  wide = Unsqueeze (as_float, axis)
  y = Mul (x, wide)
  total = ReduceSum <keepdims = 0> (y)
  doubled = Mul (ids, two)
  kept = Not (keep)
  same = Identity (pixel)
  small = Cast <to = 3> (half)
  halved = Identity (half)
}""",
    config='max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, -1, 3 ] }\n'
    'input { name: "keep" data_type: TYPE_BOOL dims: [ -1 ] }\n'
    'input { name: "ids" data_type: TYPE_INT32 dims: [ -1 ] }\n'
    'input { name: "pixel" data_type: TYPE_UINT8 dims: [ 1, 2 ] reshape { shape: [ 2 ] } }\n'
    'input { name: "half" data_type: TYPE_FP16 dims: [ -1 ] }\n',
    **_NONE,  # type: ignore[arg-type]
)

# The same without a word.
BARE = ThirdPartyModel(name="bare", graph=GRID.graph, config="", **_NONE)  # type: ignore[arg-type]

# A batch axis, and all rows of a request in one run: the mean over them shows it.
MIXED = ThirdPartyModel(
    name="mixed",
    graph="""mix (float[B,H,W] x, float[B,N] q) => (float[B,H,W] y, float[B,N] z) {
  zero = Constant <value = int64[1] {0}> ()
  mean = ReduceMean <keepdims = 1> (x, zero)
  y = Sub (x, mean)
  z = Identity (q)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, -1 ] }\n'
    'input { name: "q" data_type: TYPE_FP32 dims: [ -1 ] }\n' + parameter("time_axis", "false"),
    **_NONE,  # type: ignore[arg-type]
)

# States by name, and told where it is.
MEMORY = ThirdPartyModel(
    name="memory",
    graph="""remember (float[A,B] x, float[1,2] s, int32[1] begins) => (float[A,B] y, float[1,2] s_next) {
  one = Constant <value = float[1,2] {1.0, 2.0}> ()
  s_next = Add (s, one)
  sum = ReduceSum <keepdims = 0> (s)
  begun = Cast <to = 1> (begins)
  shifted = Add (x, sum)
  y = Add (shifted, begun)
}""",
    config='max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, -1 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '1, 2')}\n"
    'control_input { name: "begins" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 100 ] } } }\n',
    **_NONE,  # type: ignore[arg-type]
)

# An attention's cache: longer by the letters of every request.
CACHE = ThirdPartyModel(
    name="cache",
    graph="""attend (float[A,T,2] x, float[A,P,2] past) => (float[A,2] y, float[A,Q,2] present) {
  one = Constant <value = int64[1] {1}> ()
  present = Concat <axis = 1> (past, x)
  y = ReduceSum <keepdims = 0> (present, one)
}""",
    config='max_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, -1, 2 ] }\n'
    f"sequence_batching {{ {state('past', 'present', '-1, -1, 2', more=_EMPTY)} }}\n",
    **_NONE,  # type: ignore[arg-type]
)

# The same a token a step: one axis varies, so it could be time, were it not for the cache.
DECODER = ThirdPartyModel(
    name="decoder",
    graph="""attend (int32[B,T] x, float[B,P,1] past) => (float[B] y, float[B,Q,1] present) {
  last = Constant <value = int64[1] {2}> ()
  others = Constant <value = int64[2] {1, 2}> ()
  as_float = Cast <to = 1> (x)
  new = Unsqueeze (as_float, last)
  present = Concat <axis = 1> (past, new)
  y = ReduceSum <keepdims = 0> (present, others)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_INT32 dims: [ -1 ] }\n'
    f"sequence_batching {{ {state('past', 'present', '-1, 1', more=_EMPTY.replace('1, 0, 2', '0, 1'))} }}\n",
    **_NONE,  # type: ignore[arg-type]
)

# It takes multiples of 7, which no invented input is.
SEVENS = ThirdPartyModel(
    name="sevens",
    graph="""divide (float[T] x) => (float[U,7] y) {
  shape = Constant <value = int64[2] {-1, 7}> ()
  y = Reshape (x, shape)
}""",
    config='max_batch_size: 0 output { name: "y" dims: [ -1, 7 ] }',
    **_NONE,  # type: ignore[arg-type]
)
UNRUN = ThirdPartyModel(
    name="unrun",
    graph="""divide (float[T,U] x) => (float[V,7] y) {
  shape = Constant <value = int64[2] {-1, 7}> ()
  y = Reshape (x, shape)
}""",
    config="max_batch_size: 0",
    **_NONE,  # type: ignore[arg-type]
)

UNTIMED = (GRID, BARE, MIXED, MEMORY, CACHE, DECODER, UNRUN)


def grid_inputs(rows: int, columns: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(rows * 10 + columns)
    return {
        "x": rng.standard_normal((rows, columns, 3)).astype(np.float32),
        "keep": np.arange(columns) % 2 == 0,
        "ids": np.arange(5, dtype=np.int32),
        "pixel": np.array([[3, 250]], np.uint8),
        "half": np.array([1.5, -2], np.float16),
    }
