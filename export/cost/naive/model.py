"""The naive model around a naive body: the front and the head of the zoo, and a running mean.

Shape suffixes: B batch, T time, H body width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from export.cost.naive.lstm import NaiveLSTM
from export.cost.naive.tcn import NaiveTCN
from export.cost.naive.transformer import NaiveTransformer
from export.fold import fold
from models.zoo import SequenceModel

_BODIES: dict[str, Callable[..., nn.Module]] = {"lstm": NaiveLSTM, "tcn": NaiveTCN, "transformer": NaiveTransformer}


class _Body(Protocol):
    def initial_state(self, batch: int) -> dict[str, Tensor]: ...


class NaiveModel(nn.Module):
    """Logits at every frame, and states after the last frame of the batch: it knows no lengths.

    So rows of different length can share a batch only where the states don't matter, and no padding may come before.
    """

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        if model.architecture == "lstm":
            model, _ = fold(model)
        self.front, self.head, self.width = model.front, model.head, model.pool.width
        self.body = _BODIES[model.architecture](model.body)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return the states before the first frame, batch first."""
        body = cast("_Body", self.body)
        count = torch.zeros(batch, 1, dtype=torch.int64)
        return {**body.initial_state(batch), "pool.sum": torch.zeros(batch, self.width), "pool.count": count}

    def forward(self, x: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits [B, T, K] and the states after the last frame."""
        body_states = {name: state for name, state in states.items() if not name.startswith("pool.")}
        h_BTH, following = self.body(self.front(x), body_states)
        sums_BTH = states["pool.sum"][:, None] + h_BTH.cumsum(dim=1)
        count_BT = states["pool.count"] + torch.arange(1, h_BTH.shape[1] + 1)
        following |= {"pool.sum": sums_BTH[:, -1], "pool.count": count_BT[:, -1:]}
        return self.head(sums_BTH / count_BT[:, :, None]), following
