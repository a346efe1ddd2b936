"""Whether a normaliser computes the same in training and in inference: claim 13."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from claims import statistics
from claims.claim import Claim, Measured
from claims.experiments.batch_independence.answers import (
    ARCHITECTURES,
    CONTROL,
    Array,
    Distance,
    distance,
    draw,
    needs,
    runs,
    together,
    total,
)
from claims.onnx_graph import graph_of
from claims.served import Repository, at_once
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.data import load
from models.norm import LayerNorm
from models.training.batches import collate
from models.zoo import SequenceModel
from service.engine.runner import Runner

_ROUNDING = 1e-5  # of logits of about 1: more isn't rounding of float32
_LAYER, _BATCH, _CURRENT = "layer", "batch", "batch_current"


def _measure(trial: Trial) -> Measured:
    repository = Repository(folder=trial.scratch / "models")
    figures: Measured = {"torch": {}, "engine": {}, "grpc": {}}
    asked: dict[str, list[Array]] = {}
    in_training: dict[str, list[Array]] = {}
    layer = runs(_LAYER, ARCHITECTURES, trial.seed, trial.quick)
    batch = runs(_BATCH, [CONTROL], trial.seed, trial.quick)
    for name, run in (layer | batch).items():
        checkpoint = trial.trained(run).checkpoint
        asked[name] = draw(load(run.task).test, trial.count(64, 24), trial.seed)
        served = Runner(repository.add(name, checkpoint, run.data()))
        if name in layer:
            training = Runner(graph_of(_norms_in_training(checkpoint.model())))
        else:  # what a BatchNorm does in training, as a graph
            training = Runner(graph_of(checkpoint.served_as(_CURRENT).model()))
        in_training[name] = together(training, asked[name])
        figures["torch"][name] = _torch_distance(checkpoint.model(), asked[name])
        figures["engine"][name] = distance(together(served, asked[name]), in_training[name])
    with repository.server() as target:
        for name, sequences in asked.items():
            figures["grpc"][name] = distance(at_once(target, name, sequences).outputs, in_training[name])
    return figures


def _torch_distance(model: SequenceModel, sequences: Sequence[Array]) -> Distance:
    """Compare train() with eval() in PyTorch, on one batch of one shape, without dropout."""
    batch = collate(sequences, [0] * len(sequences))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    outputs = []
    with torch.no_grad():
        for training in (False, True):
            model.train(training)
            logits, _ = model(batch.x, batch.length, model.initial_state(len(sequences)))
            outputs.append([row[:length].numpy() for row, length in zip(logits, batch.length, strict=True)])
    return distance(*outputs)


def _norms_in_training(model: SequenceModel) -> SequenceModel:
    """Put every LayerNorm into training mode, where it stays when the model around it is exported."""
    for module in model.modules():
        if isinstance(module, LayerNorm):
            module.train()
            module.train = lambda _mode=True, module=module: module  # type: ignore[method-assign,misc]
    return model


def _judge(measured: Sequence[Measured]) -> Judgement:
    layer = total([_all_of(each, _LAYER) for each in measured])
    control = [_all_of(each, _BATCH) for each in measured]
    if layer["differing"] == 0:
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif layer["absolute"] < _ROUNDING:
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.REFUTED, "refuted"
    share = statistics.mean("batch", [each["differing"] / each["compared"] for each in control])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=statistics.mean("differing", [_all_of(each, _LAYER)["differing"] for each in measured], "outputs"),
        control=Control(figure=share, held=all(_control_holds(each) for each in measured)),
        figures=[
            statistics.mean("batch_flipped", [each["flipped"] / each["asked"] for each in control]),
            statistics.mean("batch_absolute", [each["absolute"] for each in control]),
        ],
        values={"compared": layer["compared"], "absolute": layer["absolute"]},
    )


def _control_holds(measured: Measured) -> bool:
    """Return whether BatchNorm differs in each of the three comparisons: one that it passes would compare nothing."""
    return all(_all_of({path: found}, _BATCH)["absolute"] > _ROUNDING for path, found in measured.items())


def _all_of(measured: Measured, norm: str) -> Distance:
    return total([each for found in measured.values() for name, each in found.items() if name.endswith(norm)])


CLAIM = Claim(number=13, measure=_measure, judge=_judge, needs=needs)
