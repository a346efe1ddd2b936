"""Whether LayerNorm has everything that BatchNorm has: claim 31.

Two things are looked for: a normaliser that costs nothing when it is served, since it folds into the weights, and the
noise of the batch, which regularises (Luo et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from claims import statistics
from claims.claim import Claim, Measured
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.fold import fold
from export.graph import trace
from models.data import load
from models.norm import NoNorm
from models.training.batches import collate
from models.training.evaluation import last_logits
from models.zoo import SequenceModel, configuration

_NORMS = ("layer", "batch")
_OPERATORS = frozenset({"LayerNormalization", "RMSNormalization", "BatchNormalization"})
_SEQUENCES = 16
_ROUNDING = 1e-4  # of PyTorch, whose sums depend on the size of a batch


def _run(norm: str, seed: int, quick: bool) -> TrainingRun:
    task, _, config = configuration(f"vowels-tcn-{norm}")
    return training_run(task, config, seed, quick=quick)


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [_run(norm, seed, quick) for norm in _NORMS]


def _measure(trial: Trial) -> Measured:
    return {norm: _benefits(trial.trained(_run(norm, trial.seed, trial.quick)).checkpoint.model()) for norm in _NORMS}


def _benefits(model: SequenceModel) -> Measured:
    folded, _ = fold(model)
    left = [name for name, module in folded.named_modules() if name.endswith("norm") and not isinstance(module, NoNorm)]
    operators = [node.op_type for node in trace(folded).graph.node if node.op_type in _OPERATORS]
    return {"left": len(left), "operators": len(operators), "noise": _noise(model)}


@torch.no_grad()
def _noise(model: SequenceModel) -> float:
    """Return how much a sequence's answer differs with its mates in training, in deviations of the logits."""
    sequences, labels = load("vowels").train.sequences, load("vowels").train.labels
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    answers = []
    for first in range(1, 1 + 8 * (_SEQUENCES - 1), _SEQUENCES - 1):
        chosen = [0, *range(first, first + _SEQUENCES - 1)]
        batch = collate([sequences[index] for index in chosen], labels[chosen])
        logits_BTK, _ = model.train()(batch.x, batch.length, model.initial_state(len(chosen)))
        answers.append(last_logits(logits_BTK, batch.length)[0])
    answers_SK = torch.stack(answers)
    return float(answers_SK.std(dim=0).mean() / answers_SK.std())


def _judge(measured: Sequence[Measured]) -> Judgement:
    left = {norm: statistics.mean(f"left_{norm}", [each[norm]["left"] for each in measured]) for norm in _NORMS}
    noise = {norm: statistics.mean(f"noise_{norm}", [each[norm]["noise"] for each in measured]) for norm in _NORMS}
    # What only BatchNorm has.
    folds = left["batch"].value == 0 < left["layer"].value
    regularises = statistics.above(noise["batch"], noise["layer"].value) and noise["layer"].value < _ROUNDING
    if folds and regularises:
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if folds or regularises else (Verdict.SUPPORTED, "supported")
    operators = statistics.mean("operators", [each["layer"]["operators"] for each in measured])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=left["layer"],
        control=Control(figure=operators, held=operators.value == left["layer"].value),
        figures=[left["batch"], *noise.values()],
    )


CLAIMS = (
    Claim(
        number=31,
        measure=_measure,
        judge=_judge,
        needs=lambda seed, quick: [_run(norm, seed, quick) for norm in _NORMS],
    ),
)
