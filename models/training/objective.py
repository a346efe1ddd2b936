"""What a training step minimises, and the step itself.

Shape suffixes: B batch, T time, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.norm import valid_frames
from models.training.batches import Batch
from models.training.evaluation import last_logits
from models.training.recipes import Recipe
from models.zoo import Scaling, SequenceModel


def step(model: SequenceModel, batch: Batch, settings: Recipe, optimizer: torch.optim.Optimizer) -> float:
    """Take one step of the optimizer; return the loss before it, in nats."""
    logits_BTK, _ = model(_noisy(model, batch, settings.noise), batch.length, model.initial_state(len(batch.labels)))
    value = loss(logits_BTK, batch, settings.prefix_weight)
    optimizer.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    optimizer.step()
    return value.item()


def loss(logits_BTK: Tensor, batch: Batch, prefix_weight: float) -> Tensor:
    """Return the cross-entropy of each sequence's last answer, mixed with that of the answers at every valid frame."""
    last = nn.functional.cross_entropy(last_logits(logits_BTK, batch.length), batch.labels)
    if not prefix_weight:
        return last
    # Streams are answered at every frame, so every prefix is a sample.
    valid_BT = valid_frames(batch.length, logits_BTK.shape[1])
    labels_BT = batch.labels[:, None].expand_as(valid_BT)
    every = nn.functional.cross_entropy(logits_BTK[valid_BT], labels_BT[valid_BT])
    return (1 - prefix_weight) * last + prefix_weight * every


def _noisy(model: SequenceModel, batch: Batch, noise: float) -> Tensor:
    if not noise or not isinstance(model.front, Scaling):
        return batch.x
    return batch.x + torch.randn_like(batch.x) * (noise * model.front.deviation)
