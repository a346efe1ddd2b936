"""How much the moments of a batch, and the gradients that go through them, differ from batch to batch: claim 30.

Shape suffixes: B batch, T time, C features, N frames, S batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from models.data import load
from models.norm import BatchNorm
from models.training.batches import training_batches
from models.training.objective import loss
from models.training.recipes import recipe
from models.zoo import SequenceModel, build, configuration

_TEXT, _OTHERS = "languages", ("vowels", "digits")
_SEQUENCES = 16  # in a batch, for every data set
_FRAMES = 200  # of a batch, drawn at random, so that all moments are of as many frames
_BATCHES = 60
_EXACT = 0.1  # share by which independent frames may differ from what is expected of them
Array = npt.NDArray[np.float64]


def _run(task: str, seed: int, quick: bool) -> TrainingRun:
    _, _, config = configuration(f"{task}-transformer-batch")
    return training_run(task, config, seed, quick=quick)


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [_run(task, seed, quick) for task in (_TEXT, *_OTHERS)]


def _measure(trial: Trial) -> Measured:
    return {task: _fluctuations(trial, task) for task in (_TEXT, *_OTHERS)}


def _fluctuations(trial: Trial, task: str) -> dict[str, float]:
    checkpoint = trial.trained(_run(task, trial.seed, trial.quick)).checkpoint
    model = build(checkpoint.task, checkpoint.architecture, checkpoint.config)
    model.load_state_dict(checkpoint.weights)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    seen = _Seen(model, np.random.default_rng(trial.seed))
    settings, rng = recipe(task, checkpoint.architecture), np.random.default_rng(trial.seed)
    batches = training_batches(load(task).train, _SEQUENCES, rng, settings.window)
    for _, batch in zip(range(trial.count(_BATCHES, 20)), batches, strict=False):
        logits_BTK, _ = model.train()(batch.x, batch.length, model.initial_state(len(batch.labels)))
        model.zero_grad()
        loss(logits_BTK, batch, settings.prefix_weight).backward()  # type: ignore[no-untyped-call]
        seen.end_batch()
    return seen.figures()


class _Seen:
    """What enters every BatchNorm of a model, and the gradient of its batch's mean."""

    def __init__(self, model: SequenceModel, rng: np.random.Generator) -> None:
        self._rng = rng
        self._norms = {name: module for name, module in model.named_modules() if isinstance(module, BatchNorm)}
        self._means: dict[str, Tensor] = {}
        self._frames: dict[str, list[Array]] = {name: [] for name in self._norms}
        self._gradients: dict[str, list[float]] = {name: [] for name in self._norms}
        for name, norm in self._norms.items():
            norm.register_forward_pre_hook(self._observe(name))
            norm.normalise = self._normalise(name, norm)  # type: ignore[method-assign]

    def end_batch(self) -> None:
        """Take the gradients of the batch that has just gone back."""
        for name, mean_C in self._means.items():
            if mean_C.grad is not None:
                self._gradients[name].append(float(mean_C.grad.norm()))

    def figures(self) -> dict[str, float]:
        """Return means over layers and features; `independent` should be 1."""
        by_layer = [
            np.stack([frames for frames in values if len(frames) == _FRAMES]) for values in self._frames.values()
        ]
        gradients = [np.array(norms) for norms in self._gradients.values()]
        shuffled = [self._rng.permutation(x.reshape(-1, x.shape[-1])).reshape(x.shape) for x in by_layer]
        return {
            "mean": float(np.mean([_movement(x_SNC) for x_SNC in by_layer])),
            "variance": float(np.mean([_variance_movement(x_SNC) for x_SNC in by_layer])),
            "gradient": float(np.mean([norms.std(ddof=1) / norms.mean() for norms in gradients])),
            "independent": float(np.mean([_movement(x_SNC) for x_SNC in shuffled]) * np.sqrt(_FRAMES)),
        }

    def _observe(self, name: str) -> Any:
        def hook(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            x_NC = arguments[0][arguments[1]].detach().double().numpy()
            chosen = self._rng.permutation(len(x_NC))[:_FRAMES]
            self._frames[name].append(x_NC[chosen])

        return hook

    def _normalise(self, name: str, norm: BatchNorm) -> Any:
        def normalise(x_BTC: Tensor, mean_C: Tensor, var_C: Tensor) -> Tensor:
            mean_C.retain_grad()
            self._means[name] = mean_C
            return BatchNorm.normalise(norm, x_BTC, mean_C, var_C)

        return normalise


def _movement(x_SNC: Array) -> float:
    """Return the deviation of the batches' means, in deviations of the frames: mean over features."""
    return float((x_SNC.mean(axis=1).std(axis=0, ddof=1) / x_SNC.std(axis=(0, 1))).mean())


def _variance_movement(x_SNC: Array) -> float:
    """Return the deviation of the batches' variances relative to their mean: mean over features."""
    variances_SC = x_SNC.var(axis=1)
    return float((variances_SC.std(axis=0, ddof=1) / variances_SC.mean(axis=0)).mean())


def _judge(measured: Sequence[Measured]) -> Judgement:
    ratios = {
        (what, other): _ratio(measured, what, other) for what in ("mean", "variance", "gradient") for other in _OTHERS
    }
    more = [key for key, figure in ratios.items() if statistics.above(figure, 1.0)]
    if len(more) == len(ratios):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if more else (Verdict.REFUTED, "refuted")
    independent = [float(np.mean([each[task]["independent"] for task in each])) for each in measured]
    control = statistics.mean("independent", independent)
    series = [
        Series(name=what, y=[float(np.mean([each[task][what] for each in measured])) for task in (_TEXT, *_OTHERS)])
        for what in ("mean", "variance", "gradient")
    ]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=ratios["mean", "digits"],
        control=Control(figure=control, held=abs(control.value - 1) < _EXACT),
        figures=[figure for key, figure in ratios.items() if key != ("mean", "digits")],
        chart=Chart(x_label="", y_label="fluctuation", x=[_TEXT, *_OTHERS], series=series, kind="bars"),
        values={"more": len(more), "of": len(ratios)},
    )


def _ratio(measured: Sequence[Measured], what: str, other: str) -> Figure:
    return statistics.mean(f"{what}_{other}", [each[_TEXT][what] / each[other][what] for each in measured], "×")


CLAIMS = (Claim(number=30, measure=_measure, judge=_judge, needs=_needs),)
