"""That RMSNorm reaches the graph as one RMSNormalization node, inside a recurrence too.

Torch 2.13 takes its own rms_norm apart inside a Scan, and code in a Scan cannot ask whether it is being exported. So
the modules are replaced by ones that call an operator of our own, which the exporter has to leave whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset23
from torch import Tensor, nn

from models.norm import RMSNorm
from models.zoo import SequenceModel


@torch.library.custom_op("soloist::rms_norm", mutates_args=())
def _operator(x_BTC: Tensor, weight_C: Tensor, eps: float) -> Tensor:
    return nn.functional.rms_norm(x_BTC, weight_C.shape, weight_C, eps)


@_operator.register_fake
def _(x_BTC: Tensor, weight_C: Tensor, eps: float) -> Tensor:  # noqa: ARG001
    return torch.empty_like(x_BTC)


class _Whole(nn.Module):
    """A trained RMSNorm, as one operator."""

    def __init__(self, norm: RMSNorm) -> None:
        super().__init__()
        self.weight, self.eps = norm.weight, norm.eps

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        y_BTC: Tensor = _operator(x_BTC, self.weight, self.eps)
        return y_BTC


def whole(model: SequenceModel) -> SequenceModel:
    """Return a copy of a model whose RMSNorms an export keeps whole."""
    model = copy.deepcopy(model).requires_grad_(False)  # the operator has no gradient
    for name, module in list(model.named_modules()):
        if isinstance(module, RMSNorm):
            model.set_submodule(name, _Whole(module))
    return model


def _node(x: Any, weight: Any, eps: float) -> Any:
    return opset23.RMSNormalization(x, weight, axis=-1, epsilon=eps)


TRANSLATION: dict[Callable[..., Any], Callable[..., Any]] = {torch.ops.soloist.rms_norm.default: _node}
