"""What a run says in the end: tables for people. Ratios stand as median (first–third quartile) of all rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.table import Table

from export.cost.batch_cost import BASE, BatchCost
from export.cost.form_cost import FormCost, NormCost


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that was measured in one run."""

    forms: list[FormCost] = field(default_factory=list)
    norms: list[NormCost] = field(default_factory=list)
    batches: list[BatchCost] = field(default_factory=list)


def tables(result: Result) -> Iterator[Table]:
    """Lay everything out; what wasn't measured has no table."""
    if result.forms:
        yield _forms(result.forms)
        yield _summary(result.forms)
    if result.norms:
        yield _norms(result.norms)
    if result.batches:
        yield _batches(result.batches)


def _forms(costs: Iterable[FormCost]) -> Table:
    table = _table("Strict form ÷ naive export of the same weights", "model", "norm", "run")
    for column in ("naive, µs", "strict, µs", "ratio"):
        table.add_column(column, justify="right")
    for cost in costs:
        times = (f"{cost.naive_us:.0f}", f"{cost.strict_us:.0f}", str(cost.ratio))
        table.add_row(cost.architecture, cost.norm, cost.case, *times)
    return table


def _summary(costs: Iterable[FormCost]) -> Table:
    ratios: dict[tuple[str, str], list[float]] = {}
    for cost in costs:
        ratios.setdefault((cost.architecture, cost.norm), []).append(cost.ratio.median)
    table = _table("The same, over all runs", "model", "norm")
    for column in ("least", "most"):
        table.add_column(column, justify="right")
    for key, medians in ratios.items():
        table.add_row(*key, f"{min(medians):.2f}", f"{max(medians):.2f}")
    return table


def _norms(costs: Iterable[NormCost]) -> Table:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for cost in costs:
        cells.setdefault((cost.architecture, cost.case), {})[cost.norm] = str(cost.ratio)
    names = list(dict.fromkeys(name for row in cells.values() for name in row))
    table = _table("Normaliser ÷ none, strict form", "model", "run")
    for name in names:
        table.add_column(name, justify="right")
    for key, row in cells.items():
        table.add_row(*key, *(row.get(name, "") for name in names))
    return table


def _batches(costs: Iterable[BatchCost]) -> Table:
    table = _table(f"Time a sequence ÷ that of batches without the promise ({BASE.name})", "model", "norm", "policy")
    for column in ("waiting", "sequences a second", "ratio", "ratio, wall clock"):
        table.add_column(column, justify="right")
    for cost in costs:
        figures = (str(cost.clients), f"{cost.per_second:.0f}", str(cost.ratio), str(cost.wall_ratio))
        table.add_row(cost.architecture, cost.norm, cost.policy, *figures)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table
