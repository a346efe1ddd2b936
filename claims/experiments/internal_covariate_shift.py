"""Whether moments that change while training are what BatchNorm mends: claim 3.

The test of Santurkar et al. 2018 (section 2.3): behind every BatchNorm, noise whose own mean and spread are drawn anew
at each step, so that the layer after it sees moments that change more than without any normaliser.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trained import Trained, TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.data import load
from models.norm import BatchNorm
from models.training.batches import training_batches
from models.zoo import SequenceModel, build, configuration

_NONE, _BATCH, _NOISY = "none", "batch", "noisy"
_MEAN, _SPREAD = 0.5, 1.25  # of the noise: the means' deviation and the largest spread, as in the paper's appendix A.2
_BATCHES = 32


def add_noise(model: SequenceModel) -> None:
    """Put noise behind every BatchNorm while it is being trained."""

    def noisy(module: nn.Module, _arguments: tuple[Tensor, ...], y_BTC: Tensor) -> Tensor:
        if not module.training:
            return y_BTC
        mean_C = _MEAN * torch.randn(y_BTC.shape[-1])
        spread_C = _SPREAD * torch.rand(y_BTC.shape[-1])
        return y_BTC + mean_C + spread_C * torch.randn_like(y_BTC)

    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.register_forward_hook(noisy)


def _runs(seed: int, quick: bool) -> dict[str, TrainingRun]:
    task, _, without = configuration("digits-tcn-none")
    _, _, batch = configuration("digits-tcn-batch")
    return {
        _NONE: training_run(task, without, seed, quick=quick),
        _BATCH: training_run(task, batch, seed, quick=quick),
        _NOISY: training_run(task, batch, seed, quick=quick, prepare=f"{__name__}:add_noise"),
    }


def _measure(trial: Trial) -> Measured:
    figures: Measured = {}
    for name, run in _runs(trial.seed, trial.quick).items():
        trained = trial.trained(run)
        figures[name] = {
            "losses": trained.validation_losses,
            "area": float(np.mean(trained.validation_losses)),
            "accuracy": max(trained.validation_accuracies),
            "instability": _instability(trained, trial.seed, noisy=name == _NOISY),
        }
    return figures


@torch.no_grad()
def _instability(trained: Trained, seed: int, *, noisy: bool) -> float:
    """Return how far the moments of what enters a layer move from batch to batch, in deviations, over all layers.

    What enters are the outputs of normalisers, in training mode, over batches of the training data.
    """
    checkpoint = trained.checkpoint
    model = build(checkpoint.task, checkpoint.architecture, checkpoint.config)
    model.load_state_dict(checkpoint.weights)
    if noisy:
        add_noise(model)
    means: dict[str, list[Tensor]] = {}

    def observe(name: str) -> None:
        def hook(_module: nn.Module, arguments: tuple[Tensor, ...], y_BTC: Tensor) -> None:
            y_NC = y_BTC[arguments[1]]
            means.setdefault(name, []).append(torch.stack([y_NC.mean(dim=0), y_NC.std(dim=0)]))

        model.get_submodule(name).register_forward_hook(hook)

    for name, module in model.named_modules():
        if name.endswith("norm") or isinstance(module, BatchNorm):
            observe(name)
    torch.manual_seed(seed)
    batches = training_batches(load("digits").train, 32, np.random.default_rng(seed))
    for _, batch in zip(range(_BATCHES), batches, strict=False):
        model.train()(batch.x, batch.length, model.initial_state(len(batch.labels)))
    moved = []
    for values in means.values():
        mean_SC, deviation_SC = torch.stack(values).unbind(dim=1)
        moved.append(float((mean_SC.std(dim=0) / deviation_SC.mean(dim=0).clamp(min=1e-6)).mean()))
    return float(np.mean(moved))


def _judge(measured: Sequence[Measured]) -> Judgement:
    area = {name: [each[name]["area"] for each in measured] for name in (_NONE, _BATCH, _NOISY)}
    help_ = statistics.difference("help", area[_NONE], area[_BATCH], "nats")
    left = statistics.difference("help_left", area[_NONE], area[_NOISY], "nats")
    lost = statistics.mean("lost", [_lost(each) for each in measured], "%")
    if not statistics.above(help_, 0.0):
        verdict, reason = Verdict.NOT_SHOWN, "no_help"
    elif statistics.above(left, 0.0) and statistics.below(lost, 50.0):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif not statistics.above(left, 0.0):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = Verdict.DEPENDS, "depends"
    shift = {name: [each[name]["instability"] for each in measured] for name in (_NONE, _NOISY)}
    control = statistics.mean("control", np.array(shift[_NOISY]) / np.array(shift[_NONE]), "×")
    best = {name: [each[name]["accuracy"] for each in measured] for name in (_NONE, _NOISY)}
    accuracy = statistics.difference("accuracy", best[_NOISY], best[_NONE])
    # The share of a help that is no help is no figure.
    key, shares = (help_, []) if reason == "no_help" else (lost, [help_])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=key,
        control=Control(figure=control, held=statistics.above(control, 1.0)),
        figures=[*shares, left, accuracy],
        chart=_chart(measured),
    )


def _lost(figures: Measured) -> float:
    area = {name: figures[name]["area"] for name in (_NONE, _BATCH, _NOISY)}
    return float(100 * (area[_NOISY] - area[_BATCH]) / (area[_NONE] - area[_BATCH]))


def _chart(measured: Sequence[Measured]) -> Chart:
    epochs = min(len(each[name]["losses"]) for each in measured for name in (_NONE, _BATCH, _NOISY))
    means = {
        name: np.mean([each[name]["losses"][:epochs] for each in measured], axis=0) for name in (_NONE, _BATCH, _NOISY)
    }
    series = [Series(name=name, y=[float(loss) for loss in losses]) for name, losses in means.items()]
    return Chart(x_label="epoch", y_label="validation loss", x=list(range(1, epochs + 1)), series=series, log_y=True)


CLAIMS = (Claim(number=3, measure=_measure, judge=_judge, needs=lambda seed, quick: list(_runs(seed, quick).values())),)
