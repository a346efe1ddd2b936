"""The probe's graph: what enters each normaliser of the trained, unfolded model, summed over valid frames.

Inputs are those of the model's own graph. Outputs are float64: no cancellation to speak of when moments are made of the
sums of long streams.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

import onnx
import torch
from torch import Tensor, nn

from export import rms_norm
from export.graph import trace_as
from models.norm import Trained
from models.training.observation import observed
from models.zoo import SequenceModel

# Left out: "batch_step", whose moments are those of one step, which sums over time don't tell; controls; and "dyt",
# which has no moments.
KINDS = frozenset({"batch", "layer", "rms", "group_step"})
_INSIDE_RECURRENCE = ".cell_norm"


def probed_layers(model: SequenceModel) -> dict[str, Trained]:
    """Return the normalisers that a probe looks at, by module path."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Trained) and module.kind in KINDS and not name.endswith(_INSIDE_RECURRENCE)
    }


def sum_output(layer: str) -> str:
    """Return the name of the tensor that holds a layer's sums."""
    return f"probe.{layer}.sum"


def sum_of_squares_output(layer: str) -> str:
    """Return the name of the tensor that holds a layer's sums of squares."""
    return f"probe.{layer}.sum_of_squares"


def trace_probe(model: SequenceModel) -> tuple[onnx.ModelProto, list[str]]:
    """Return the probe of a model in eval mode that has layers to look at, and those in the order of the forward pass.

    Raises ExportError when torch cannot export it.
    """
    layers = _forward_order(model)
    wrapper = _Probe(rms_norm.whole(model), layers)
    outputs = [name for layer in layers for name in (sum_output(layer), sum_of_squares_output(layer))]
    return trace_as(wrapper, model, outputs), layers


class _Probe(nn.Module):
    """A model whose outputs are, layer by layer, sum and sum of squares of what enters it."""

    def __init__(self, model: SequenceModel, layers: list[str]) -> None:
        super().__init__()
        self.model, self.layers, self.names = model, layers, tuple(model.initial_state(1))

    def forward(self, frames: Tensor, length: Tensor, states: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        seen: dict[str, tuple[Tensor, Tensor]] = {}

        def observe(layer: str, x_BTC: Tensor, valid_BT: Tensor) -> None:
            # where, not a product: a padded frame may hold NaN
            x_BTC = torch.where(valid_BT[:, :, None], x_BTC, 0.0).double()
            seen[layer] = (x_BTC.sum(dim=1), (x_BTC * x_BTC).sum(dim=1))

        with observed(self.model, observe, self.layers):
            self.model(frames, length, dict(zip(self.names, states, strict=True)))
        return tuple(sums for layer in self.layers for sums in seen[layer])


@torch.no_grad()
def _forward_order(model: SequenceModel) -> list[str]:
    order: list[str] = []
    tokens = model.task.frames == "tokens"
    x = torch.zeros(1, 1, dtype=torch.int64) if tokens else torch.zeros(1, 1, model.task.feature_count)
    with observed(model, lambda layer, _x, _valid: order.append(layer), probed_layers(model)):
        model(x, torch.ones(1, dtype=torch.int64), model.initial_state(1))
    return order
