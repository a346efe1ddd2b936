"""What the manifest says of a model's normalisation layers."""

from __future__ import annotations

import torch

from models.norm import BatchNorm, StepBatchNorm, Trained
from models.training import BatchStatistics, Checkpoint, Recalibration
from models.zoo import SequenceModel
from soloist.v1.model_pb2 import Moments, NormLayer


def norm_layers(checkpoint: Checkpoint, folded: frozenset[str]) -> list[NormLayer]:
    """Describe every normalisation layer of the trained model, in the order of the forward pass."""
    model = checkpoint.model()
    modules: dict[str, Trained] = {
        name: module for name, module in model.named_modules() if isinstance(module, Trained)
    }
    return [
        _recalibrated(
            _layer(name, modules[name], checkpoint.statistics.get(name), folded=name in folded),
            modules[name],
            checkpoint.recalibration,
        )
        for name in _forward_order(model, modules)
    ]


def _forward_order(model: SequenceModel, modules: dict[str, Trained]) -> list[str]:
    called: dict[str, None] = {}
    for name, module in modules.items():
        module.register_forward_pre_hook(lambda _module, _arguments, name=name: called.setdefault(name))
    tokens = model.task.frames == "tokens"
    x = torch.zeros(1, 1, dtype=torch.int64) if tokens else torch.zeros(1, 1, model.task.feature_count)
    with torch.no_grad():
        model(x, torch.ones(1, dtype=torch.int64), model.initial_state(1))
    return list(called)


def _layer(name: str, norm: Trained, statistics: BatchStatistics | None, *, folded: bool) -> NormLayer:
    layer = NormLayer(
        name=name, kind=norm.kind, eps=getattr(norm, "eps", 0.0), features=norm.weight.numel(), folded=folded
    )
    if isinstance(norm, StepBatchNorm):  # a table of moments for every step would be larger than the model
        layer.statistics = "precise" if statistics else "ema"
        layer.statistics_frames = statistics.frames if statistics else 0
    elif isinstance(norm, BatchNorm):
        layer.statistics = "precise" if statistics else "ema"
        mean, variance = norm.running_mean, norm.running_var
        if statistics:
            layer.statistics_frames = statistics.frames
            layer.precise.CopyFrom(_moments(statistics.precise_mean, statistics.precise_variance))
            mean, variance = statistics.ema_mean, statistics.ema_variance
        layer.ema.CopyFrom(_moments(mean, variance))
    return layer


def _recalibrated(layer: NormLayer, norm: Trained, recalibration: Recalibration | None) -> NormLayer:
    if recalibration is not None and isinstance(norm, BatchNorm | StepBatchNorm):
        layer.statistics, layer.statistics_frames = "recalibrated", recalibration.frames
    if recalibration is not None and isinstance(norm, BatchNorm):
        layer.recalibrated.CopyFrom(_moments(norm.running_mean, norm.running_var))
    return layer


def served_moments(layer: NormLayer) -> Moments:
    """Return the running mean and variance that are in the file."""
    return {"recalibrated": layer.recalibrated, "precise": layer.precise}.get(layer.statistics, layer.ema)


def _moments(mean: torch.Tensor, variance: torch.Tensor) -> Moments:
    return Moments(mean=mean.tolist(), variance=variance.tolist())
