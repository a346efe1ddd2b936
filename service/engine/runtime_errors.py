"""The translation of ONNX Runtime's errors about frames, or about callers' states, into errors for callers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.core.errors import Reason, ServiceError

# "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : ", and the place in the runtime's sources.
_NOISE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |\S*/onnxruntime/\S+ (?:[\w:]+ [\w:]+\([^)]*\) (?:const )?)?")

# ONNX Runtime's class for an error that its input caused.
_INVALID_INPUT = "InvalidArgument"


class translated:  # noqa: N801  # a block; a generator would take longer, and every run is in one
    """A block that turns ONNX Runtime's errors into a reason; `shape` is that of the frames.

    Our own graphs take all frames that have passed the checks. If such a graph names its input as the cause, it is one
    of the states, which callers may send; any other failure is our fault.

    Raises:
        ServiceError: GRAPH_REFUSED.

    """

    __slots__ = ("_shape", "_third_party")

    def __init__(self, shape: Sequence[int], *, third_party: bool = True) -> None:
        self._shape, self._third_party = shape, third_party

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # ONNX Runtime has many error classes, which share no base.
        if isinstance(error, Exception) and _is_refusal(error, third_party=self._third_party):
            raise ServiceError(Reason.GRAPH_REFUSED, shape=list(self._shape), cause=message_of(error)) from error


def is_from_runtime(error: Exception) -> bool:
    """Return whether ONNX Runtime raised an error."""
    return type(error).__module__.startswith("onnxruntime")


def _is_refusal(error: Exception, *, third_party: bool) -> bool:
    if not third_party:
        return is_from_runtime(error) and type(error).__name__ == _INVALID_INPUT
    # Arrays that can't be stacked or cut count, too: their shape changes from run to run.
    return is_from_runtime(error) or isinstance(error, ValueError)


def message_of(error: Exception) -> str:
    """Return ONNX Runtime's message on one line, without its place in the sources."""
    text = _NOISE.sub("", str(error))
    return " ".join(text.split()) or type(error).__name__
