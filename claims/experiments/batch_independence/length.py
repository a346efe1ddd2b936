"""Whether a frame's outputs depend on how long its sequence is, or on padding: claim 16.

Shapes: B batch, T frames, C features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from claims import statistics
from claims.claim import Claim, Measured
from claims.experiments.batch_independence.answers import (
    ARCHITECTURES,
    CONTROL,
    Array,
    Distance,
    alone,
    distance,
    draw,
    runs,
    total,
)
from claims.served import Repository, one_by_one
from claims.trained import TrainingRun
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.graph import OPSET
from models.data import load
from models.norm import LayerNorm
from models.training.batches import collate
from models.training.observation import observed
from models.zoo import SequenceModel
from service.engine.graph import Graph
from service.engine.runner import Runner
from service.engine.session import open_session

_ENCODER = "encoder"  # its attention sees the whole sequence
_LAYER, _INSTANCE = "layer", "instance"
_SHARES = (0.25, 0.5, 0.75)  # of a sequence, in prefixes
_PADDING = (1, 3, 16, 61)  # frames
_ROUNDING = 1e-5


def _needed(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return list(_runs(seed, quick).values())


def _runs(seed: int, quick: bool) -> dict[str, TrainingRun]:
    layer = runs(_LAYER, [*ARCHITECTURES, _ENCODER], seed, quick)
    return layer | runs(_INSTANCE, [CONTROL], seed, quick)


def _measure(trial: Trial) -> Measured:
    repository = Repository(folder=trial.scratch / "models")
    figures: Measured = {"norm": {}, "prefix": {}, "padding": {}, "grpc": {}}
    asked: dict[str, list[Array]] = {}
    for name, run in _runs(trial.seed, trial.quick).items():
        checkpoint = trial.trained(run).checkpoint
        asked[name] = draw(load(run.task).test, trial.count(48, 16), trial.seed)
        graph = repository.add(name, checkpoint, run.data())
        figures["prefix"][name] = _prefixes(partial(alone, Runner(graph)), asked[name])
        figures["padding"][name] = _padded(graph, asked[name])
        if name.endswith(_LAYER):
            figures["norm"][name] = _of_the_norm(checkpoint.model(), asked[name])
    with repository.server() as target:
        for name, sequences in asked.items():
            figures["grpc"][name] = _prefixes(partial(_served, target, name), sequences)
    return figures


def _served(target: str, name: str, sequences: Sequence[Array]) -> list[Array]:
    return one_by_one(target, name, sequences).outputs


def _prefixes(answer: Callable[[list[Array]], list[Array]], sequences: Sequence[Array]) -> Distance:
    """Compare the outputs of prefixes with those that the same frames have within the whole sequence."""
    whole = answer(list(sequences))
    found = []
    for share in _SHARES:
        lengths = [max(1, int(len(frames) * share)) for frames in sequences]
        prefixes = answer([frames[:length] for frames, length in zip(sequences, lengths, strict=True)])
        found.append(distance([one[:length] for one, length in zip(whole, lengths, strict=True)], prefixes))
    return total(found)


def _padded(graph: Graph, sequences: Sequence[Array]) -> Distance:
    """Compare the outputs of sequences with padding behind them with those without."""
    found = []
    for padding in _PADDING:
        for frames in sequences:
            length = len(frames)
            tail = np.zeros((padding, *frames.shape[1:]), frames.dtype)
            expected, _ = graph.run(frames[None], [length], graph.zero_states(1))
            outputs, _ = graph.run(np.concatenate([frames, tail])[None], [length], graph.zero_states(1))
            found.append(distance([expected[0]], [outputs[0, :length]]))
    return total(found)


def _of_the_norm(model: SequenceModel, sequences: Sequence[Array]) -> Distance:
    """Compare prefixes and padded sequences at the first LayerNorm by itself, on what it gets in the model."""
    name, norm = next((name, module) for name, module in model.named_modules() if isinstance(module, LayerNorm))
    session = open_session(_norm_graph(norm).SerializeToString())
    batch = collate(sequences, [0] * len(sequences))
    seen: list[torch.Tensor] = []
    with torch.no_grad(), observed(model, lambda _name, x_BTC, _valid: seen.append(x_BTC), [name]):
        model(batch.x, batch.length, model.initial_state(len(sequences)))
    entering = [row[:length].numpy() for row, length in zip(seen[0], batch.length, strict=True)]

    def answer(parts: list[Array]) -> list[Array]:
        return [np.asarray(session.run(["y"], {"x": part[None]})[0])[0] for part in parts]

    tails = [np.zeros((padding, entering[0].shape[1]), np.float32) for padding in _PADDING]
    padded = [
        distance(
            answer(entering),
            [y[: len(x)] for x, y in zip(entering, answer([np.concatenate([x, tail]) for x in entering]), strict=True)],
        )
        for tail in tails
    ]
    return total([_prefixes(answer, entering), *padded])


def _norm_graph(norm: LayerNorm) -> onnx.ModelProto:
    """Return a graph of one LayerNormalization."""
    weights = {"gain": norm.weight, "bias": norm.bias}
    node = helper.make_node("LayerNormalization", ["x", *weights], ["y"], axis=-1, epsilon=norm.eps)
    shape: list[str | int | None] = ["batch", "time", len(norm.weight)]
    graph = helper.make_graph(
        [node],
        "norm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight.detach().numpy(), name) for name, weight in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _judge(measured: Sequence[Measured]) -> Judgement:
    norm = total([total(list(each["norm"].values())) for each in measured])
    causal = total([_models(each, ARCHITECTURES, _LAYER) for each in measured])
    if norm["differing"]:
        verdict, reason = Verdict.REFUTED, "refuted"
    elif causal["differing"]:
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.SUPPORTED, "supported"
    control = [_models(each, [CONTROL], _INSTANCE) for each in measured]
    encoder = [_models(each, [_ENCODER], _LAYER) for each in measured]
    of_norm = [total(list(each["norm"].values()))["differing"] for each in measured]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=statistics.mean("differing", [_models(each, ARCHITECTURES, _LAYER)["differing"] for each in measured]),
        control=Control(
            figure=statistics.mean("instance", [_share(each) for each in control]),
            held=total(control)["absolute"] > _ROUNDING,
        ),
        figures=[
            statistics.mean("encoder", [_share(each) for each in encoder]),
            statistics.mean("encoder_absolute", [each["absolute"] for each in encoder]),
            statistics.mean("norm", of_norm),
        ],
        values={"compared": norm["compared"] + causal["compared"], "absolute": causal["absolute"]},
    )


def _models(measured: Measured, architectures: Sequence[str], norm: str) -> Distance:
    """Return prefixes and padding of some models, in the engine and over gRPC, as one."""
    endings = tuple(f"-{architecture}-{norm}" for architecture in architectures)
    cases = (measured["prefix"], measured["padding"], measured["grpc"])
    return total([each for found in cases for name, each in found.items() if name.endswith(endings)])


def _share(found: Distance) -> float:
    return found["differing"] / found["compared"]


CLAIM = Claim(number=16, measure=_measure, judge=_judge, needs=_needed)
