"""What a graph made elsewhere says of frames that it can't run, in a form that callers may hear."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.errors import Reason, ServiceError

# "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : ", and where in the runtime's sources it was found.
_NOISE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |\S*/onnxruntime/\S+ (?:[\w:]+ [\w:]+\([^)]*\) (?:const )?)?")


@contextmanager
def told(shape: Sequence[int]) -> Iterator[None]:
    """Turn ONNX Runtime's errors into a reason; `shape` is that of the frames.

    Raises:
        ServiceError: GRAPH_REFUSED.

    """
    try:
        yield
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        # Arrays that can't be stacked or cut, too: a shape that changes from run to run.
        if type(error).__module__.startswith("onnxruntime") or isinstance(error, ValueError):
            raise ServiceError(Reason.GRAPH_REFUSED, shape=list(shape), cause=in_words(error)) from error
        raise


def in_words(error: Exception) -> str:
    """Say on one line what ONNX Runtime says."""
    text = _NOISE.sub("", str(error))
    return " ".join(text.split()) or type(error).__name__
