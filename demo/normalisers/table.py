"""The headline as it is printed."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from demo.normalisers.conditions import CONDITIONS, LOUD_SCALE, PADDED_FRAMES
from demo.normalisers.result import NormaliserResult

_COLUMNS = ("model", "normaliser", "offline", "alone", "random", f"loud ×{LOUD_SCALE:g}", "padded", "bits", "class")
_TEXT_COLUMNS = 2


def table(rows: Sequence[NormaliserResult]) -> Table:
    """Lay the rows out, a section an architecture."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, column in enumerate(_COLUMNS):
        shown.add_column(column, justify="left" if number < _TEXT_COLUMNS else "right", no_wrap=True)
    shown.add_column("what it read", no_wrap=True)
    for number, row in enumerate(rows):
        ends = number + 1 < len(rows) and rows[number + 1].architecture != row.architecture
        shown.add_row(*_cells(row), end_section=ends)
    return shown


def legend(rows: Sequence[NormaliserResult]) -> list[str]:
    """Return what the columns mean, and with how many a run was shared."""
    sequences = rows[0].sequences
    sizes = [size for row in rows for each in row.conditions[1:] for size in (each.min_batch_size, each.max_batch_size)]
    return [
        f"accuracy on {sequences} held-out sequences: offline as exported; alone, one a run; and in runs shared with "
        f"random neighbours, with neighbours ×{LOUD_SCALE:g}, and with neighbours of {PADDED_FRAMES} frames or more, "
        "so padded",
        f"bits, class: of {sequences}, answers that differ from the same sequence's answer alone in any of the other "
        f"{len(CONDITIONS) - 1} (bits: of any output at any frame)",
        f"concurrent Predicts; the server said with each answer how many shared its run: {min(sizes)} to {max(sizes)}",
    ]


def _cells(row: NormaliserResult) -> tuple[str, ...]:
    offline = row.correct_offline / row.offline_sequences
    shares = [f"{share:.2%}" for share in (offline, *map(row.accuracy, row.conditions))]
    return row.name, row.title, *shares, str(row.bits_differ), str(row.class_differs), row.reads
