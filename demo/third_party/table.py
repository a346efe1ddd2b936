"""How the comparison is shown: a row a model, and below it what the row can't hold."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from demo.third_party.comparison import Comparison


def table(comparisons: Sequence[Comparison]) -> Table:
    """Return a table with a row a model."""
    made = Table(title="Third-party models: served, against a bare ONNX Runtime loop", show_lines=True)
    for column in ("model", "from", "unlike ours", "outputs", "asked"):
        made.add_column(column, overflow="fold")
    for column in ("frames", "numbers", "that differ", "if a state were lost"):
        made.add_column(column, justify="right")
    for each in comparisons:
        package = each.model.file.package
        made.add_row(
            each.model.name,
            f"{package.requirement}\n{package.licence}",
            escape(each.model.unlike),
            "\n".join(each.outputs),
            "\n".join(way.way for way in each.ways),
            " + ".join(map(str, each.lengths)),
            "\n".join(str(way.number_count) for way in each.ways),
            "\n".join("failed" if way.failure else str(way.differing_count) for way in each.ways),
            str(each.lost_differs) if each.model.in_sequences else "",
            style=None if each.equal else "red",
        )
    return made


def notes(comparisons: Sequence[Comparison]) -> list[str]:
    """Return what a row has no room for: why a way failed, and which model changes its answer when it is cut."""
    lines = [
        f"{each.model.name}: {way.way} failed: {way.failure}"
        for each in comparisons
        for way in each.ways
        if way.failure
    ]
    lines += [
        f"{each.model.name}: whole and cut, its bare loop itself differs in {each.cut_differs} numbers; "
        "the loop compared with is cut where the server's caller cut"
        for each in comparisons
        if each.cut_differs
    ]
    whole_only = [
        each.model.name for each in comparisons if not each.model.streams and not each.model.open_protocol_only
    ]
    if whole_only:
        lines.append(f"{', '.join(whole_only)}: each reads to the end before it answers, so whole sequences only")
    lines += [
        f"{each.model.name}: the Open Inference Protocol only: {each.model.open_protocol_only}"
        for each in comparisons
        if each.model.open_protocol_only
    ]
    return lines
