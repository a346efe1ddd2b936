"""A model whose every output depends on every frame so far and on their order, and its answers worked out apart.

Shapes: T frames, one feature, two outputs a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from service.engine.row import Row, RowResult
from service.engine.runner import Runner
from service.loading.servable import Servable
from soloist.v1 import model_pb2, tensor_pb2

NAME = "chain"
# A frame that makes a run fail.
POISON = -1.0
# Bytes of the state before the first frame; those of ballast included.
STATE_BYTES = 8
_FACTOR, _MASK = 6364136223846793005, 2**64 - 1
_HALF = 0xFFFF


def chained(state: int, frame: float) -> int:
    """Return the state after a frame."""
    return (state * _FACTOR + int(frame) * 2 + 1) & _MASK


def reference(state: int, frames: Iterable[float]) -> tuple[list[list[float]], int]:
    """Return the outputs [T, 2] of frames after a state, and the state after them."""
    outputs = []
    for frame in frames:
        state = chained(state, frame)
        outputs.append([float(state >> 48), float(state >> 32 & _HALF)])
    return outputs, state


class _ChainRunner:
    """Stands for service.engine.runner.Runner."""

    state_bytes = STATE_BYTES

    def initial_states(self) -> dict[str, Any]:
        return {"chain": np.zeros((1, 1), np.int64)}

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        if any(POISON in row.frames for row in rows):
            raise RuntimeError("poison")
        return [self._run(row) for row in rows]

    @staticmethod
    def _run(row: Row) -> RowResult:
        before = int(row.states["chain"].view(np.uint64)[0, 0])
        outputs, after = reference(before, row.frames[:, 0].tolist())
        state: Any = np.array([[after]], np.uint64).view(np.int64)
        return RowResult(outputs=np.array(outputs, np.float32), states={"chain": state})


def chain_servable() -> Servable:
    """Return the model, ready to serve: its rows share runs, and its sequences run in slices."""
    float32, int64 = tensor_pb2.DATA_TYPE_FLOAT32, tensor_pb2.DATA_TYPE_INT64
    signature = model_pb2.Signature(
        frames=tensor_pb2.TensorSpec(name="frames", data_type=float32, shape=[-1, -1, 1]),
        length=tensor_pb2.TensorSpec(name="length", data_type=int64, shape=[-1]),
        outputs=tensor_pb2.TensorSpec(name="outputs", data_type=float32, shape=[-1, -1, 2]),
        states=[
            model_pb2.StateSpec(name="chain", input="state.chain", output="next.chain", data_type=int64, shape=[1])
        ],
    )
    manifest = model_pb2.Model(name=NAME, version=1, norm="none", causal=True, signature=signature)
    return Servable(
        name=NAME,
        version=1,
        manifest=manifest,
        runner=cast("Runner", _ChainRunner()),
        certificate="none",
        batched=True,
        sliced=True,
    )
