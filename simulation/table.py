"""How a run is shown to people: a row a phase, while it runs and at its end."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.table import Table

from simulation.tally import PhaseTally, Tally

_COLUMNS = ("phase", "sent", "answered", "accuracy", "p50 ms", "p99 ms", "refused", "labels due", "labels")


def table(tally: Tally) -> Table:
    """Lay the phases out that have begun."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        shown.add_column(column, justify="left" if column in ("phase", "refused", "labels") else "right")
    for phase in tally.phases:
        if phase.sent:
            shown.add_row(*_cells(phase))
    return shown


def _cells(phase: PhaseTally) -> tuple[str, ...]:
    return (
        phase.name,
        str(phase.sent),
        str(phase.answered),
        "" if phase.accuracy is None else f"{phase.accuracy:.1%}",
        f"{phase.latency.percentile_ms(50.0):.2f}",
        f"{phase.latency.percentile_ms(99.0):.2f}",
        _counts(phase.refused),
        str(phase.labels_planned),
        _counts(phase.labels),
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))
