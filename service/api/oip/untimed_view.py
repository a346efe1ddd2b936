"""A model without a known time axis as the protocol shows it: tensors as they are, all in one run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from service.api.oip.tensor_port import require_inputs, require_outputs, states_among
from service.core.errors import Reason, ServiceError
from service.engine.untimed import untimed_row
from soloist.data_types import oip_word_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.row import Position, Row, States
    from service.engine.untimed import Untimed, WholeTensor
    from service.serving.batcher import Answer

Arrays = Mapping[str, "NDArray[Any]"]


class UntimedView:
    """The counterpart of service.api.oip.model_view.ModelView. A request is one row, however large its batch axis."""

    def __init__(self, untimed: Untimed) -> None:
        self._untimed = untimed
        self.inputs = [each for each in untimed.inputs if each.name not in untimed.constants]
        self._required = [each.name for each in self.inputs if not each.optional]
        self.outputs = list(untimed.outputs)
        self._states = {each.tensor.name: each for each in untimed.states}
        self._state_inputs = {name: name for name in self._states}
        self._taken = {each.name: each for each in (*untimed.inputs, *(each.tensor for each in untimed.states))}
        self._given = {each.name for each in untimed.outputs} | {each.output for each in untimed.states}

    def read(self, arrays: Arrays) -> tuple[Arrays, int]:
        """Check inputs and return them with the size of their batch axis, 1 if there is none.

        Raises:
            ServiceError: one is missing, unknown, or has another type or shape than the model takes.

        """
        require_inputs(arrays, self._taken, self._required)
        rows, most = self._untimed.rows_of(arrays), self._untimed.max_batch_size
        if most and rows > most:
            raise ServiceError(Reason.BATCH_TOO_LARGE, rows=rows, max_rows=most)
        for name, array in arrays.items():
            self._check(self._taken[name], array, rows)
        return arrays, rows

    def states(self, arrays: Arrays) -> States | None:
        """Return the states among the inputs, None if there are none.

        Raises:
            ServiceError: INPUT_MISSING, if some but not all are there.

        """
        return states_among(arrays, self._state_inputs)

    def rows(self, arrays: Arrays, before: States, position: Position, *, allow_non_finite: bool) -> list[Row]:
        """Return the one row of a request. It shares its run with no other, so NaN and infinity are allowed."""
        del allow_non_finite
        sent = {each.name: arrays[each.name] for each in self.inputs if each.name in arrays}
        return [untimed_row(sent, before, position)]

    def wanted(self, names: Collection[str]) -> Collection[str]:
        """Return the names of the outputs to send: the requested ones, or else all usual ones.

        Raises:
            ServiceError: OUTPUT_UNKNOWN.

        """
        require_outputs(names, self._given)
        return names or [each.name for each in self.outputs]

    def results(
        self, arrays: Arrays, rows: Sequence[Row], answers: Sequence[Answer], wanted: Collection[str]
    ) -> dict[str, NDArray[Any]]:
        """Return the outputs and states of the one answer, as the graph returned them."""
        del arrays, rows
        (answer,) = answers
        first, *extra = (each.name for each in self.outputs)
        found = {first: answer.outputs[0]} | {name: answer.extra[name][0] for name in extra}
        found |= {state.output: answer.states[name] for name, state in self._states.items()}
        return {name: array for name, array in found.items() if name in wanted}

    def _check(self, tensor: WholeTensor, array: NDArray[Any], rows: int) -> None:
        if array.dtype != tensor.dtype:
            raise ServiceError(
                Reason.INPUT_TYPE_MISMATCH,
                input=tensor.name,
                data_type=oip_word_of(array.dtype),
                expected=oip_word_of(tensor.dtype),
            )
        expected = list(tensor.shape)
        if self._untimed.max_batch_size and expected and expected[0] == -1:
            expected[0] = rows
        fits = array.ndim == len(expected)
        if not fits or any(declared not in (-1, size) for declared, size in zip(expected, array.shape, strict=True)):
            words = ", ".join("varies" if size == -1 else str(size) for size in expected)
            raise ServiceError(
                Reason.INPUT_SHAPE_MISMATCH, input=tensor.name, shape=list(array.shape), expected=f"[{words}]"
            )
        constant = self._untimed.constants.get(tensor.name)
        if constant is not None and not (tensor.inward(array) == constant).all():
            raise ServiceError(Reason.INPUT_CONSTANT, input=tensor.name, value=constant.tolist())
