"""The price of forms: strict against naive, and each normaliser against none, from the same turns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from export.cost.case import CASES, Case, make_call
from export.cost.forms import Forms
from export.cost.stopwatch import Call, Ratio, in_turns, ratio
from models.config import TaskSpec

_UNFOLDED = "batch unfolded"
_BASE = "none"


@dataclass(frozen=True, kw_only=True)
class FormCost:
    """One run in both forms, in microseconds of processor time, and strict ÷ naive."""

    architecture: str
    norm: str
    case: str
    naive_us: float
    strict_us: float
    ratio: Ratio


@dataclass(frozen=True, kw_only=True)
class NormCost:
    """One run in strict form with a normaliser ÷ the same without any."""

    architecture: str
    norm: str
    case: str
    ratio: Ratio


def measure(
    forms: Sequence[Forms], task: TaskSpec, *, rounds: int, repeats: int, seed: int
) -> Iterator[tuple[list[FormCost], list[NormCost]]]:
    """Time all forms of one architecture in turns; yields once a case."""
    for case in CASES:
        calls = _calls(case, forms, task, seed)
        seconds = in_turns(calls, rounds=rounds, repeats=repeats, seed=seed)
        yield _form_costs(case, forms, seconds), _norm_costs(case, forms[0].architecture, seconds)


def _calls(case: Case, forms: Sequence[Forms], task: TaskSpec, seed: int) -> dict[str, Call]:
    graphs = {}
    for form in forms:
        graphs[f"naive {form.norm}"], graphs[f"strict {form.norm}"] = form.naive, form.strict
        if form.unfolded is not None:
            graphs[f"strict {_UNFOLDED}"] = form.unfolded
    return {name: make_call(case, graph, task, seed=seed) for name, graph in graphs.items()}


def _form_costs(case: Case, forms: Sequence[Forms], seconds: dict[str, list[float]]) -> list[FormCost]:
    costs = []
    for form in forms:
        naive, strict = seconds[f"naive {form.norm}"], seconds[f"strict {form.norm}"]
        costs.append(
            FormCost(
                architecture=form.architecture,
                norm=form.norm,
                case=case.name,
                naive_us=1e6 * statistics.median(naive),
                strict_us=1e6 * statistics.median(strict),
                ratio=ratio(strict, naive),
            )
        )
    return costs


def _norm_costs(case: Case, architecture: str, seconds: dict[str, list[float]]) -> list[NormCost]:
    base = seconds.get(f"strict {_BASE}")
    if base is None:
        return []
    return [
        NormCost(architecture=architecture, norm=name.removeprefix("strict "), case=case.name, ratio=ratio(timed, base))
        for name, timed in seconds.items()
        if name.startswith("strict ") and name != f"strict {_BASE}"
    ]
