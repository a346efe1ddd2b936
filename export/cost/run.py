"""The order of a run: export every form, time the forms, time the batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.progress import Progress

from export.cost import batch_cost, form_cost
from export.cost.batch_cost import Load
from export.cost.case import CASES
from export.cost.forms import ARCHITECTURES, NORMS, make_forms
from export.cost.report import Result
from models.config import TaskSpec

_BATCH_ROUND_SHARE = 3  # a load is many runs, so it takes fewer rounds


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is timed, and how often; loads take a third of the rounds."""

    architectures: Sequence[str] = ARCHITECTURES
    norms: Sequence[str] = NORMS
    rounds: int = 30
    repeats: int = 5
    # as many as share a run, and four times as many: only then is there a choice
    loads: Sequence[Load] = (Load(sequences=256, clients=32), Load(sequences=256, clients=128))
    seed: int = 0


def run(plan: Plan, task: TaskSpec, progress: Progress) -> Result:
    """Measure; takes minutes, most of them for exports."""
    result = Result()
    rounds = -(-plan.rounds // _BATCH_ROUND_SHARE)
    steps = len(plan.norms) + len(CASES) + len(plan.norms) * len(plan.loads)
    for architecture in plan.architectures:
        bar = progress.add_task(architecture, total=steps)
        forms = []
        for norm in plan.norms:
            forms.append(make_forms(task, architecture, norm))
            progress.advance(bar)
        for costs, norms in form_cost.measure(forms, task, rounds=plan.rounds, repeats=plan.repeats, seed=plan.seed):
            result.forms.extend(costs)
            result.norms.extend(norms)
            progress.advance(bar)
        for form in forms:
            for load in plan.loads:
                result.batches.extend(batch_cost.measure(form, task, load, rounds=rounds, seed=plan.seed))
                progress.advance(bar)
    return result
