"""The warm-up: first runs, so that the first caller doesn't wait, and what a graph shows only when it runs.

Shapes: T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.model_file import ModelFileError
from service.engine.row import AuxiliaryInputs, Row
from service.engine.runner import Runner
from service.engine.runtime_errors import message_of
from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from service.engine.graph import Graph
    from service.engine.row import RowResult
    from soloist.v1.tensor_pb2 import TensorSpec

_LENGTHS = (1, 2, 16)
# A third-party graph may need more frames than that: for instance a spectrum's window of samples.
_LONGER_LENGTHS = (100, 512, 1600, 16_000)
_VARYING = (1, 64)


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """The result of first runs: whether there is one output for every frame, and its width, 0 if unknown.

    `fault` says why no run succeeded.
    """

    is_aligned: bool = False
    width: int = 0
    fault: str = ""


def warm_up(graph: Graph, *, third_party: bool) -> WarmUp:
    """Run zeros of several lengths.

    A `third_party` graph may refuse some lengths, or all: only its callers know what it takes.

    Raises:
        ModelFileError: a graph of ours fails, or a state comes back in another shape.

    """
    runner, unit = Runner(graph), graph.signature.frames_per_run or 1
    results: list[tuple[int, RowResult]] = []
    failure = Exception("nothing was run")
    for length, varying in _sizes(third_party=third_party):
        if results and length not in _LENGTHS:
            break
        try:
            results.append((unit * length, runner.run_rows([zeros(graph, unit * length, varying)])[0]))
        except Exception as error:  # ONNX Runtime has many error classes, which share no base
            failure = error
    if third_party and not results:
        return WarmUp(fault=f"a first run with made-up inputs failed: {message_of(failure)}")
    if not third_party and len(results) < len(_LENGTHS):
        raise ModelFileError(f"a first run failed: {message_of(failure)}") from failure
    for _, result in results:
        _same_shapes(runner, result)
    return WarmUp(
        is_aligned=all(len(outputs) == frames for frames, result in results for outputs in _all_outputs(result)),
        width=max(result.outputs.shape[1] if result.outputs.ndim == 2 else 0 for _, result in results),
    )


def _sizes(*, third_party: bool) -> list[tuple[int, int]]:
    """Return pairs of frames and elements of other axes that vary, in the order in which they are tried."""
    sizes = [(length, 1) for length in _LENGTHS]
    if third_party:
        sizes += [(length, varying) for varying in _VARYING for length in _LONGER_LENGTHS]
    return sizes


def zeros(graph: Graph, frames: int, varying: int = 1) -> Row:
    """Return a row of zeros with all inputs; any other axis that varies has `varying` elements."""
    needed = [each for each in graph.signature.inputs if not each.optional and not each.HasField("constant")]
    return Row(
        frames=_zeros(graph.signature.frames, [frames], varying),
        states=graph.zero_states(1),
        auxiliary=AuxiliaryInputs(
            inputs={each.tensor.name: _zeros(each.tensor, [], varying) for each in needed if not each.per_frame},
            frame_inputs={
                each.tensor.name: _zeros(each.tensor, [frames], varying) for each in needed if each.per_frame
            },
        ),
    )


def _zeros(spec: TensorSpec, first: list[int], varying: int) -> NDArray[Any]:
    sizes = [varying if size == -1 else size for size in list(spec.shape)[1 + len(first) :]]
    return np.zeros(first + sizes, dtype_of(spec.data_type))


def _all_outputs(result: RowResult) -> Iterable[NDArray[Any]]:
    return [result.outputs, *result.extra.values()]


def _same_shapes(runner: Runner, result: RowResult) -> None:
    for name, before in runner.initial_states().items():
        if result.states[name].shape != before.shape:
            raise ModelFileError(
                f"state {name!r} comes back as {list(result.states[name].shape[1:])}, and was {list(before.shape[1:])}"
            )
