"""A PyTorch model as what is served: folded, traced to ONNX, and run by the service's engine."""

from __future__ import annotations

from pathlib import Path

from export.checkpoint import export_checkpoint
from export.fold import fold
from export.graph import trace
from export.signature import signature
from models.data import Dataset
from models.training import Checkpoint
from models.zoo import SequenceModel
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist.v1.model_pb2 import Model


def graph_of(model: SequenceModel, *, folded: bool = True) -> Graph:
    """Return the graph of a model in eval mode; BatchNorm is folded into its neighbours where that is possible."""
    served = fold(model)[0] if folded else model
    return Graph(open_session(trace(served).SerializeToString(deterministic=True)), signature(model))


def export(
    checkpoint: Checkpoint, repository: Path, name: str, dataset: Dataset, *, norm: str = "", control: bool = False
) -> Model:
    """Export a checkpoint as version 1 of a model, certified; return its manifest. Raises ExportError."""
    return export_checkpoint(
        checkpoint, repository, name=name, version=1, dataset=dataset, norm=norm, control=control, probed=False
    )
