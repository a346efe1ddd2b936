"""The trace: from a PyTorch model to an ONNX graph with the agreed tensor names and free batch and time axes.

Inputs `frames`, `length`, `state.<name>`…; outputs `outputs`, `next.<name>`…, states in the model's own order.
"""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from export import rms_norm
from export.constants import fold_constants
from export.errors import ExportError
from models.zoo import SequenceModel

OPSET = 23  # the first in which LayerNormalization and RMSNormalization both are single operators
_BATCH, _FRAMES = 3, 7  # of the example; neither is a size that an exporter takes for a constant, as it does 0 and 1


class _Positional(nn.Module):
    """A model whose states are a tuple, since a graph's inputs have an order."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model, self.names = model, tuple(model.initial_state(1))

    def forward(self, frames: Tensor, length: Tensor, states: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        outputs, following = self.model(frames, length, dict(zip(self.names, states, strict=True)))
        return (outputs, *(following[name] for name in self.names))


def trace(model: SequenceModel) -> onnx.ModelProto:
    """Return the graph of a model in eval mode. Raises ExportError when torch cannot export it."""
    wrapper = _Positional(rms_norm.whole(model))
    return trace_as(wrapper, model, ["outputs", *(f"next.{name}" for name in wrapper.names)])


def trace_as(wrapper: nn.Module, model: SequenceModel, output_names: Sequence[str]) -> onnx.ModelProto:
    """Return the graph of `wrapper`, called as `_Positional` is: with the inputs of `model`, and outputs in order.

    Raises ExportError when torch cannot export it.
    """
    wrapper = wrapper.eval()  # it too: torch's exporter looks at its mode only
    states = model.initial_state(_BATCH)
    batch, time = Dim("batch"), Dim("time")
    arguments: tuple[object, ...] = (_example(model), torch.tensor([_FRAMES, 3, 2]))
    shapes: tuple[object, ...] = ({0: batch, 1: time}, {0: batch})
    if states:
        arguments = (*arguments, tuple(states.values()))
        shapes = (*shapes, tuple({0: batch} for _ in states))
    with undisturbed():
        try:
            program = torch.onnx.export(
                wrapper,
                arguments,
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=shapes,
                input_names=["frames", "length", *(f"state.{name}" for name in states)],
                custom_translation_table=rms_norm.TRANSLATION,
                output_names=list(output_names),
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError, ValueError) as error:
            raise ExportError(f"torch cannot export this model: {error}") from error
    if program is None:  # only with a file to write to
        raise AssertionError
    return _clean(program.model_proto)


def _example(model: SequenceModel) -> Tensor:
    if model.task.frames == "tokens":
        return torch.zeros(_BATCH, _FRAMES, dtype=torch.int64)
    return torch.zeros(_BATCH, _FRAMES, model.task.feature_count)


def _clean(traced: onnx.ModelProto) -> onnx.ModelProto:
    """Fold what is constant, and drop the exporter's notes: they hold paths of this machine."""
    fold_constants(traced.graph)
    del traced.metadata_props[:]
    for graph in graphs(traced.graph):
        del graph.metadata_props[:], graph.value_info[:]
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for value in (*graph.input, *graph.output):
            del value.metadata_props[:]
    return traced


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep one export from changing the next, and the exporter from talking and from what only takes time."""
    for operator in (torch.ops.aten.lstm.input, torch.ops.aten.gru.input):
        # A second export in one process would find the first one's kernel here, and with it a fixed time axis.
        operator._dispatch_cache.clear()
    disabled, collecting = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.WARNING)
    gc.disable()  # a trace makes a million objects, and hardly any garbage
    try:
        # The cache of shapes takes longer than it saves: an operator rarely meets the same ones again.
        with warnings.catch_warnings(), torch._dynamo.config.patch(fake_tensor_cache_enabled=False):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        if collecting:
            gc.enable()
