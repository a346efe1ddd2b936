"""The probe as a file beside a model, and what the manifest says of it."""

from __future__ import annotations

import hashlib

from export.norm_layers import served_moments
from export.probe.graph import probed_layers, sum_of_squares_output, sum_output, trace_probe
from export.probe.thresholds import QUANTILE, WINDOWS, set_thresholds
from models.data import Split
from models.norm import StepBatchNorm
from models.zoo import SequenceModel
from service.engine.graph import Graph
from service.engine.probe import Probe
from service.engine.session import open_session
from soloist.v1 import model_pb2 as pb


def probe_file(model: SequenceModel, graph: Graph, described: pb.Model, usual: Split) -> bytes | None:
    """Return the probe of a trained model, and describe it in the manifest; None where there is nothing to look at.

    `graph` is that of the exported model, `usual` what traffic is like when nothing has changed.

    Raises ExportError when torch cannot export the probe.
    """
    if not probed_layers(model):
        return None
    traced, names = trace_probe(model)
    content: bytes = traced.SerializeToString(deterministic=True)
    layers = {layer.name: layer for layer in described.norm_layers}
    described.probe.sha256 = hashlib.sha256(content).hexdigest()
    described.probe.layers.extend(_probed(layers[name], _reference(model, layers[name], usual)) for name in names)
    if any(layer.HasField("reference") for layer in described.probe.layers):
        described.probe.quantile, described.probe.windows = QUANTILE, WINDOWS
        described.probe.held_out_sequences = len(usual)
        set_thresholds(described.probe.layers, Probe(open_session(content), described), graph, usual)
    return content


def _reference(model: SequenceModel, layer: pb.NormLayer, usual: Split) -> pb.Moments | None:
    norm = model.get_submodule(layer.name)
    if isinstance(norm, StepBatchNorm):
        variance_C = norm.standardised_variance([len(sequence) for sequence in usual.sequences])
        return pb.Moments(mean=[0.0] * len(variance_C), variance=variance_C.tolist())
    return served_moments(layer) if layer.statistics else None


def _probed(layer: pb.NormLayer, reference: pb.Moments | None) -> pb.ProbedLayer:
    probed = pb.ProbedLayer(
        name=layer.name,
        kind=layer.kind,
        eps=layer.eps,
        sum_output=sum_output(layer.name),
        sum_of_squares_output=sum_of_squares_output(layer.name),
    )
    if reference is not None:
        probed.reference.CopyFrom(reference)
    return probed
