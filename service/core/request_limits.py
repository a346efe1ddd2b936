"""The limits of lists in a request: entries are counted before anything is done with them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized

# For every text that callers choose: names of models, sequences and inputs, ids, labels, parameters and their values.
MAX_NAME_BYTES = 256
# Inputs and outputs: more than the caches of the largest language models need.
MAX_TENSORS = 1024
# Of a request, and of each of its tensors.
MAX_PARAMETERS = 256
# The limit of ONNX Runtime, and of numpy 1.
MAX_AXES = 32
# Of a model, all of its rollout together.
MAX_VERSION_LABELS = 100
# If one axis of a shape is 0, the others cost nothing to send, but a graph may still allocate by their sizes.
MAX_EMPTY_ELEMENTS = 2**24


def at_most(max_count: int, entries: Sized, field: str) -> None:
    """Refuse a list that is too long.

    Raises:
        ServiceError: TOO_MANY_ENTRIES.

    """
    if len(entries) > max_count:
        raise ServiceError(Reason.TOO_MANY_ENTRIES, field=field, count=len(entries), max_count=max_count)


def is_hollow(shape: Iterable[int]) -> bool:
    """Return whether a shape has no elements but axes too large for an array; none of its sizes is below 0."""
    sizes = list(shape)
    return 0 in sizes and math.prod(size for size in sizes if size) > MAX_EMPTY_ELEMENTS
