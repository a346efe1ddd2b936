"""The content of an answer: the selected outputs, and the class that they stand for.

Shapes: T frames of a chunk, K outputs a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.tensors import encode_into
from soloist.v1.sequence_inference_pb2 import OUTPUT_SELECTION_EVERY_FRAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.serving.batcher import Answer
    from soloist.v1.sequence_inference_pb2 import ChunkResult, Classification, OutputSelection, PredictResponse


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


def write(
    result: PredictResponse | ChunkResult, answer: Answer, selection: OutputSelection.ValueType, labels: Sequence[str]
) -> bytes:
    """Fill in what a model has answered, and return the bytes of the whole result."""
    outputs_TK = answer.outputs
    encode_into(result.outputs, select(outputs_TK, selection))
    classify_into(result.classification, outputs_TK, labels)
    for name, outputs in answer.extra.items():
        encode_into(result.extra_outputs.add(name=name).tensor, select(outputs, selection))
    result.batch_size, result.padded_frames = answer.batch_size, answer.padded_frames
    return result.SerializeToString()


def classify_into(classification: Classification, logits_TK: NDArray[Any], labels: Sequence[str]) -> None:
    """Write the class of an answer into a message that is empty, and stays so if there is none."""
    if (found := classify(logits_TK, labels)) is not None:
        index, classification.confidence = found
        classification.index, classification.label = index, labels[index]


def classify(logits_TK: NDArray[Any], labels: Sequence[str]) -> tuple[int, float] | None:
    """Return the class of the largest logit of the last frame, the first of equals, and its confidence.

    None without labels, if there are no outputs yet, and if there isn't one output per class. The confidence is the
    softmax probability, computed in binary64.
    """
    if not labels or not logits_TK.size or logits_TK.shape[1:] != (len(labels),):
        return None
    if len(labels) <= _FEW:
        logits = logits_TK[-1].tolist()
        if math.isfinite(sum(logits)):
            largest = max(logits)
            return logits.index(largest), 1.0 / sum([math.exp(x - largest) for x in logits])
    x_K = logits_TK[-1].astype(np.float64)
    index = int(x_K.argmax())
    return index, 1.0 / float(np.exp(x_K - x_K[index]).sum())
