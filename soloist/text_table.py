"""Aligned text tables, as every command and report prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def text_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    align: str = "",
    gap: int = 2,
    rule: bool = False,
    title: str = "",
) -> str:
    """Return a table as lines of text: the title, the head, and one line per row, with columns as wide as needed.

    Args:
        head: Names of the columns.
        rows: Cells, as many per row as `head` has; a cell may hold several lines.
        align: "<" or ">" per column: to the left or to the right. Columns beyond its end go to the left.
        gap: Spaces between columns.
        rule: Whether a line is drawn under the head.
        title: Lines above the head.

    Returns:
        Lines without spaces at their ends, and no line feed after the last.

    Raises:
        ValueError: A row has more or fewer cells than the head.

    """
    cells = [[str(cell).split("\n") for cell in row] for row in (head, *rows)]
    widths = [max(len(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    sides = align.ljust(len(widths), "<")
    lines = [line for row in cells for line in _lines(row, widths, sides, " " * gap)]
    if rule:
        lines.insert(max(map(len, cells[0])), "─" * (sum(widths) + gap * (len(widths) - 1)))
    return "\n".join([*title.splitlines(), *lines])


def _lines(row: Sequence[Sequence[str]], widths: Sequence[int], sides: str, gap: str) -> Iterable[str]:
    for number in range(max(map(len, row))):
        texts = [cell[number] if number < len(cell) else "" for cell in row]
        padded = [f"{text:{side}{width}}" for text, side, width in zip(texts, sides, widths, strict=True)]
        yield gap.join(padded).rstrip()
