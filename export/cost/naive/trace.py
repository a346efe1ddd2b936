"""The naive export: PyTorch's exporter with its defaults, and no pass of ours after it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.export import Dim

from export.cost.naive.model import NaiveModel
from export.graph import undisturbed
from export.signature import signature, state_specs
from models.zoo import SequenceModel
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist.v1.model_pb2 import Signature

_BATCH, _FRAMES, _PAST = 3, 7, 5  # of the example; no size that the exporter takes for a constant


class _Positional(nn.Module):
    """A model whose states are a tuple, since a graph's inputs have an order."""

    def __init__(self, model: NaiveModel) -> None:
        super().__init__()
        self.model, self.names = model, tuple(model.initial_state(1))

    def forward(self, frames: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        outputs, following = self.model(frames, dict(zip(self.names, states, strict=True)))
        return (outputs, *(following[name] for name in self.names))


def naive_graph(model: SequenceModel) -> Graph:
    """Export a model of the zoo naively and load it as the server does."""
    wrapper = _Positional(NaiveModel(copy.deepcopy(model))).requires_grad_(False).eval()
    names = wrapper.names
    with undisturbed():
        program = torch.onnx.export(
            wrapper,
            _example(model, wrapper.model),
            dynamo=True,
            dynamic_shapes=({0: Dim("batch"), 1: Dim("time")}, tuple(_axes(wrapper.model))),
            input_names=["frames", *(f"state.{name}" for name in names)],
            output_names=["outputs", *(f"next.{name}" for name in names)],
            verbose=False,
        )
    if program is None:  # only with a file to write to
        raise AssertionError
    return Graph(open_session(program.model_proto.SerializeToString()), _signature(model, wrapper.model))


def _example(model: SequenceModel, naive: NaiveModel) -> tuple[object, ...]:
    tokens = model.task.frames == "tokens"
    frames = torch.zeros(_BATCH, _FRAMES, dtype=torch.int64) if tokens else torch.zeros(_BATCH, _FRAMES, 1)
    states = [
        torch.zeros(_BATCH, _PAST, *state.shape[2:]) if state.shape[1] == 0 else state
        for state in naive.initial_state(_BATCH).values()
    ]
    return frames if tokens else frames.expand(-1, -1, model.task.feature_count), tuple(states)


def _axes(naive: NaiveModel) -> list[dict[int, object]]:
    """Return names for the free axes of every state; one without rows grows."""
    batch, past = Dim("batch"), Dim("past", min=0, max=1 << 16)
    return [{0: batch, 1: past} if s.shape[1] == 0 else {0: batch} for s in naive.initial_state(1).values()]


def _signature(model: SequenceModel, naive: NaiveModel) -> Signature:
    described = signature(model)
    described.ClearField("length")
    del described.states[:]
    described.states.extend(state_specs(naive.initial_state(1)))
    return described
