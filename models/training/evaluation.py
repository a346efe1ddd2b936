"""What a model answers on a split, whole sequences at a time, in PyTorch.

Shape suffixes: B batch, T time, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.causal_pool import frame_at
from models.data import Split
from models.training.batches import whole_batches
from models.zoo import SequenceModel


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean cross-entropy in nats, and the share of right answers."""

    loss: float
    accuracy: float


def last_logits(logits_BTK: Tensor, length_B: Tensor) -> Tensor:
    """Return the logits of each row's last valid frame: [B, K]."""
    return frame_at(logits_BTK, length_B - 1)


def predict(model: SequenceModel, split: Split) -> npt.NDArray[np.float32]:
    """Return every sequence's logits [sequences, K], in the split's order; the model is in eval mode afterwards."""
    model.eval()
    logits = np.zeros((len(split), len(model.task.labels)), dtype=np.float32)
    with torch.no_grad():
        for indices, batch in whole_batches(split):
            logits_BTK, _ = model(batch.x, batch.length, model.initial_state(len(indices)))
            logits[indices] = last_logits(logits_BTK, batch.length).numpy()
    return logits


def score(model: SequenceModel, split: Split) -> Score:
    """Measure a model on a split; it is in eval mode afterwards."""
    logits, labels = torch.from_numpy(predict(model, split)), torch.from_numpy(split.labels)
    return Score(
        loss=float(nn.functional.cross_entropy(logits, labels)),
        accuracy=float((logits.argmax(dim=1) == labels).double().mean()),
    )
