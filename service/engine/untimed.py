"""A graph without a known time axis: it runs as it is, with one request per run and tensors as callers send them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.engine.auxiliary_feed import value_of
from service.engine.row import WHOLE, AuxiliaryInputs, Row, RowResult, RunSeconds
from service.engine.runtime_errors import is_from_runtime, message_of
from service.engine.session import run_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from service.engine.onnx_runtime import ort
    from service.engine.row import Position, States
    from soloist.v1.model_pb2 import ControlSpec

# The sizes of open axes that are tried in a first run.
_VARYING = (1, 2, 16, 64)
_ONE = np.zeros(1, np.bool_)


@dataclass(frozen=True, kw_only=True)
class WholeTensor:
    """A tensor with all of its axes, -1 varies. `shape` is for callers, `inside` for the graph; may be `optional`."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    inside: tuple[int, ...]
    optional: bool = False

    def inward(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array of `shape` in the graph's shape."""
        return array if self.shape == self.inside else array.reshape(_filled(self.inside, self.shape, array.shape))

    def outward(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the inverse of `inward`."""
        return array if self.shape == self.inside else array.reshape(_filled(self.shape, self.inside, array.shape))


@dataclass(frozen=True, kw_only=True)
class WholeState:
    """A state: the graph's input, the output that replaces it, and its initial value.

    Axes of open size may grow from request to request, like those of an attention cache.
    """

    tensor: WholeTensor
    output: str
    initial: NDArray[Any]

    def may_become(self, before: tuple[int, ...], behind: tuple[int, ...], *, batched: bool) -> bool:
        """Return whether a state of the shape `before` may be replaced by one of the shape `behind`."""
        sizes = before[:1] + self.tensor.inside[1:] if batched else self.tensor.inside
        return len(sizes) == len(behind) and all(size in (-1, found) for size, found in zip(sizes, behind, strict=True))

    def grows(self, *, batched: bool) -> bool:
        """Return whether its size may change."""
        return -1 in self.tensor.inside[batched:]


@dataclass(frozen=True, kw_only=True)
class Untimed:
    """The tensors of one graph. If `max_batch_size` is above 0, the first axis of each is the batch; for 0 none is."""

    max_batch_size: int
    inputs: Sequence[WholeTensor]
    outputs: Sequence[WholeTensor]
    states: Sequence[WholeState] = ()
    controls: Sequence[tuple[ControlSpec, WholeTensor]] = ()
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def rows_of(self, arrays: Mapping[str, NDArray[Any]]) -> int:
        """Return the rows of a request; 1 without a batch axis."""
        first = next((arrays[each.name] for each in self.inputs if each.name in arrays), None)
        return 1 if not self.max_batch_size or first is None or not first.ndim else int(first.shape[0])


class UntimedRunner:
    """The runner of such a graph, one request at a time. May run on several threads at once."""

    def __init__(self, session: ort.InferenceSession, untimed: Untimed) -> None:
        self.untimed = untimed
        self._session = session
        self._wanted = [each.name for each in untimed.outputs] + [each.output for each in untimed.states]
        self._inputs = {each.name: each for each in untimed.inputs}
        self.state_bytes = sum(int(each.initial.nbytes) for each in untimed.states)
        self.states_grow = any(each.grows(batched=untimed.max_batch_size > 0) for each in untimed.states)

    def initial_states(self) -> States:
        """Return the states before the first request."""
        return {each.tensor.name: each.initial for each in self.untimed.states}

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        """Answer requests, each in a run of its own. A request counts as one frame, [1, …].

        Raises:
            ServiceError: GRAPH_REFUSED.

        """
        return [self._run(row) for row in rows]

    def _run(self, row: Row) -> RowResult:
        began = time.perf_counter()
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in row.auxiliary.inputs.items())
        try:
            feed = self._feed(row)
            largest = max(feed.values(), key=lambda array: array.size, default=_ONE)
            found = run_graph(self._session, self._wanted, feed, largest.reshape(1, -1))
            results = dict(zip(self._wanted, found, strict=True))
            outputs = {each.name: each.outward(results[each.name])[None] for each in self.untimed.outputs}
        except Exception as error:  # ONNX Runtime has many error classes, which share no base
            if is_from_runtime(error) or isinstance(error, ValueError):
                raise ServiceError(Reason.GRAPH_REFUSED, shape=shapes, cause=message_of(error)) from error
            raise
        states = {each.tensor.name: results[each.output] for each in self.untimed.states}
        for each in self.untimed.states:
            name, shape = each.tensor.name, states[each.tensor.name].shape
            if not each.may_become(feed[name].shape, shape, batched=self.untimed.max_batch_size > 0):
                cause = f"state {name!r} comes back as {list(shape)}, and was {list(feed[name].shape)}"
                raise ServiceError(Reason.GRAPH_REFUSED, shape=shapes, cause=cause)
        first, *extra = outputs
        return RowResult(
            outputs=outputs[first],
            states=states,
            run=RunSeconds(graph=time.perf_counter() - began),
            extra={name: outputs[name] for name in extra},
        )

    def _feed(self, row: Row) -> dict[str, NDArray[Any]]:
        untimed, sent = self.untimed, row.auxiliary.inputs
        rows = untimed.rows_of(sent)
        feed = {name: self._inputs[name].inward(array) for name, array in sent.items()}
        for name, constant in untimed.constants.items():
            leading = (rows,) if untimed.max_batch_size else ()
            feed[name] = np.broadcast_to(constant, leading + constant.shape)
        for state in untimed.states:
            before = row.states[state.tensor.name]
            if untimed.max_batch_size and before.shape[:1] == (1,) != (rows,):
                before = np.repeat(before, rows, axis=0)
            feed[state.tensor.name] = before
        for control, tensor in untimed.controls:
            leading_rows = rows if untimed.max_batch_size else 1
            shape = [leading_rows if size == -1 else size for size in tensor.inside]
            feed[tensor.name] = np.full(shape, value_of(control, row.auxiliary.position), tensor.dtype)
        return feed


def untimed_row(inputs: Mapping[str, NDArray[Any]], states: States, position: Position = WHOLE) -> Row:
    """Return the row of a request: it counts as one frame, whatever it holds."""
    return Row(frames=_ONE, states=states, auxiliary=AuxiliaryInputs(inputs=inputs, position=position))


def warm_up_untimed(runner: UntimedRunner) -> str:
    """Run zeros of several sizes until a run succeeds; return why none did, or ""."""
    fault = ""
    for varying in _VARYING:
        try:
            runner.run_rows([untimed_row(_zeros(runner.untimed, varying), runner.initial_states())])
        except Exception as error:  # ONNX Runtime has many error classes, which share no base
            fault = fault or str(error.facts["cause"] if isinstance(error, ServiceError) else message_of(error))
        else:
            return ""
    return f"a first run with made-up inputs failed: {fault}"


def _zeros(untimed: Untimed, varying: int) -> dict[str, NDArray[Any]]:
    batched = untimed.max_batch_size > 0
    return {
        each.name: np.zeros(_invented_shape(each.shape, varying, batched=batched), each.dtype)
        for each in untimed.inputs
        if not each.optional and each.name not in untimed.constants
    }


def _invented_shape(shape: tuple[int, ...], varying: int, *, batched: bool) -> list[int]:
    return [1 if batched and not axis else varying if size == -1 else size for axis, size in enumerate(shape)]


def _filled(wanted: tuple[int, ...], template: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Return `wanted` with the sizes of `shape` where `template` leaves them open, in order."""
    open_sizes = iter([size for fixed, size in zip(template, shape, strict=True) if fixed == -1])
    return [next(open_sizes, -1) if size == -1 else size for size in wanted]
