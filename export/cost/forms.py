"""The graphs that are compared: one set of weights, exported naively, in strict form, and with BatchNorm left in.

Weights are drawn, not trained: time doesn't depend on them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from export.cost.naive import naive_graph
from export.fold import fold
from export.graph import trace
from export.one_step import has_scan, one_step
from export.signature import signature
from models import zoo
from models.config import TaskSpec
from service.engine.graph import Graph
from service.engine.session import open_session

ARCHITECTURES = ("lstm", "tcn", "transformer")
NORMS = ("none", "layer", "rms", "batch")


@dataclass(frozen=True, kw_only=True, eq=False)
class Forms:
    """Graphs of one model; `unfolded` only where a BatchNorm could be folded away."""

    architecture: str
    norm: str
    naive: Graph
    strict: Graph
    unfolded: Graph | None


def make_forms(task: TaskSpec, architecture: str, norm: str) -> Forms:
    """Export a model of the zoo's default sizes in every form, and load each as the server does."""
    model = drawn_model(task, architecture, norm)
    folded, names = fold(model)
    return Forms(
        architecture=architecture,
        norm=norm,
        naive=naive_graph(model),
        strict=_strict(folded),
        unfolded=_strict(model) if names else None,
    )


def drawn_model(task: TaskSpec, architecture: str, norm: str) -> zoo.SequenceModel:
    """Build a model in which no gain is 1 and no bias, mean or moment 0, so that nothing folds by accident."""
    torch.manual_seed(0)
    config = dataclasses.replace(zoo.DEFAULTS[task.name, architecture], norm=norm)
    model = zoo.build(task, architecture, config).eval()
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.dtype == torch.float32 and (tensor.ndim == 1 or name.endswith("attention.bias")):
                noise = torch.randn(tensor.shape)
                positive = name.endswith(("running_var", "deviation", "norm.weight"))
                tensor.copy_(0.5 + noise.abs() if positive else 0.3 * noise)
    return model


def _strict(model: zoo.SequenceModel) -> Graph:
    traced = trace(model)
    single = open_session(one_step(traced).SerializeToString()) if has_scan(traced) else None
    return Graph(open_session(traced.SerializeToString()), signature(model), one_step=single)
