"""The content of an answer: the selected outputs, and the class that they stand for.

Shapes: T frames of a chunk, K outputs a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.tensors import encode
from soloist.v1.sequence_inference_pb2 import OUTPUT_SELECTION_EVERY_FRAME, Classification, OutputSelection
from soloist.v1.tensor_pb2 import NamedTensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.serving.batcher import Answer


# So many numbers are worked through sooner one by one than as an array.
_FEW = 32


def select(outputs_TK: NDArray[Any], selection: OutputSelection.ValueType) -> NDArray[Any]:
    """Return the selected outputs: [T, K] for every frame, or those of the last frame, [K].

    A model that needs several frames for an output may have none yet: [0, K] in both cases.
    """
    if selection == OUTPUT_SELECTION_EVERY_FRAME or not len(outputs_TK):
        return outputs_TK
    last_K: NDArray[Any] = outputs_TK[-1]
    return last_K


def select_extra(answer: Answer, selection: OutputSelection.ValueType) -> Sequence[NamedTensor]:
    """Return the extra outputs, selected in the same way."""
    if not answer.extra:
        return ()
    return [NamedTensor(name=name, tensor=encode(select(outputs, selection))) for name, outputs in answer.extra.items()]


def classify(logits_TK: NDArray[Any], labels: Sequence[str]) -> Classification | None:
    """Return the class of the largest logit of the last frame, the first of equals.

    None without labels, if there are no outputs yet, and if there isn't one output per class. The confidence is the
    softmax probability, computed in binary64.
    """
    if not labels or not logits_TK.size or logits_TK.shape[1:] != (len(labels),):
        return None
    if len(labels) <= _FEW:
        logits = logits_TK[-1].tolist()
        if math.isfinite(sum(logits)):
            largest = max(logits)
            index, confidence = logits.index(largest), 1.0 / sum([math.exp(x - largest) for x in logits])
            return Classification(index=index, label=labels[index], confidence=confidence)
    x_K = logits_TK[-1].astype(np.float64)
    index = int(x_K.argmax())
    confidence = 1.0 / float(np.exp(x_K - x_K[index]).sum())
    return Classification(index=index, label=labels[index], confidence=confidence)
