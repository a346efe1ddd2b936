"""The probe's graph: what enters each normaliser of the trained, unfolded model, summed over valid frames.

Inputs are those of the model's own graph. Outputs are float64: no cancellation to speak of when moments are made of the
sums of long streams. Where each step has statistics of its own, what is summed is what enters less the mean of its
step, in deviations of its step: so all steps can be pooled, and each is compared with its own statistics.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

import onnx
import torch
from torch import Tensor, nn

from export import rms_norm
from export.fold import tables
from export.graph import trace_as
from models.norm import StepAffine, StepBatchNorm, Trained
from models.training.observation import observed
from models.zoo import SequenceModel

# Left out: controls; and "dyt", which has no moments.
KINDS = frozenset({"batch", "batch_step", "layer", "rms", "group_step"})
_POSITION = ".position"  # the state that counts a sequence's frames


def probed_layers(model: SequenceModel) -> dict[str, Trained]:
    """Return the normalisers that a probe looks at, by module path."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, Trained) and module.kind in KINDS
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
    wrapper = _Probe(model, layers)
    outputs = [name for layer in layers for name in (sum_output(layer), sum_of_squares_output(layer))]
    return trace_as(wrapper, model, outputs), layers


class _Probe(nn.Module):
    """A model whose outputs are, layer by layer, sum and sum of squares of what enters it."""

    def __init__(self, model: SequenceModel, layers: list[str]) -> None:
        super().__init__()
        self.model, self.layers, self.names = rms_norm.whole(model), layers, tuple(model.initial_state(1))
        self.in_step_deviations: dict[str, StepAffine] = {}
        for name, module in model.named_modules():
            if isinstance(module, StepBatchNorm):
                self.in_step_deviations[name] = StepAffine(*(each.detach() for each in module.standardising()))
                self.model.set_submodule(name, tables(module))

    def forward(self, frames: Tensor, length: Tensor, states: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        seen: dict[str, tuple[Tensor, Tensor]] = {}
        named = dict(zip(self.names, states, strict=True))

        def observe(layer: str, x_BTC: Tensor, valid_BT: Tensor) -> None:
            if layer in self.in_step_deviations:
                x_BTC = self.in_step_deviations[layer](x_BTC, valid_BT, _steps(named, x_BTC.shape[1]))
            # where, not a product: a padded frame may hold NaN
            x_BTC = torch.where(valid_BT[:, :, None], x_BTC, 0.0).double()
            seen[layer] = (x_BTC.sum(dim=1), (x_BTC * x_BTC).sum(dim=1))

        with observed(self.model, observe, self.layers):
            self.model(frames, length, named)
        return tuple(sums for layer in self.layers for sums in seen[layer])


def _steps(states: dict[str, Tensor], frames: int) -> Tensor:
    """Return the number of each frame in its sequence, int64 [B, T]."""
    (position_B1,) = (state for name, state in states.items() if name.endswith(_POSITION))
    return position_B1 + torch.arange(frames)


@torch.no_grad()
def _forward_order(model: SequenceModel) -> list[str]:
    order: list[str] = []
    tokens = model.task.frames == "tokens"
    x = torch.zeros(1, 1, dtype=torch.int64) if tokens else torch.zeros(1, 1, model.task.feature_count)
    with observed(model, lambda layer, _x, _valid: order.append(layer), probed_layers(model)):
        model(x, torch.ones(1, dtype=torch.int64), model.initial_state(1))
    return order
